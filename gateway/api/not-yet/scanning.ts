import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Access } from '../access.ts';
import { badRequest, notFound, preconditionFailed } from '../faults.ts';
import { emptyList, notYetRoutes, refused, shown } from './not-yet.ts';

/** Harbor's words for a registry without a scanner. */
const noScanner = refused(() => preconditionFailed("no scanner is configured, it's not possible to scan"));
const unknownScanner = refused(({ registration_id }) => notFound(`scanner ${registration_id} not found`));
const unknownExport = refused(({ execution_id }) => notFound(`export ${execution_id} not found`));

const scanners = '/scanners';
const scanner = '/scanners/:registration_id';
const scanAll = '/system/scanAll/schedule';
const scan = '/projects/:project_name/repositories/:repository_name/artifacts/:reference/scan';

/** Harbor's operations on scanners, scans and what they find. */
export function scanningRoutes(api: FastifyInstance, access: Access): void {
  notYetRoutes(api, access, 'scanner', [
    {
      id: 'listScanners',
      method: 'GET',
      path: scanners,
      summary: 'The scanners.',
      for: { system: 'scanner:list' },
      answer: emptyList,
    },
    {
      id: 'createScanner',
      method: 'POST',
      path: scanners,
      summary: 'Connects a scanner.',
      for: { system: 'scanner:create' },
      answer: refused(() => badRequest('scanners cannot be connected yet')),
    },
    {
      id: 'pingScanner',
      method: 'POST',
      path: `${scanners}/ping`,
      summary: 'Whether a scanner answers.',
      for: { system: 'scanner:read' },
      answer: refused(() => badRequest('scanners cannot be connected yet')),
    },
    {
      id: 'getScanner',
      method: 'GET',
      path: scanner,
      summary: 'A scanner.',
      for: { system: 'scanner:read' },
      answer: unknownScanner,
    },
    {
      id: 'updateScanner',
      method: 'PUT',
      path: scanner,
      summary: 'Changes a scanner.',
      for: { system: 'scanner:update' },
      answer: unknownScanner,
    },
    {
      id: 'deleteScanner',
      method: 'DELETE',
      path: scanner,
      summary: 'Disconnects a scanner.',
      for: { system: 'scanner:delete' },
      answer: unknownScanner,
    },
    {
      id: 'setScannerAsDefault',
      method: 'PATCH',
      path: scanner,
      summary: 'Makes a scanner that of all projects without one of their own.',
      for: { system: 'scanner:update' },
      answer: unknownScanner,
    },
    {
      id: 'getScannerMetadata',
      method: 'GET',
      path: `${scanner}/metadata`,
      summary: 'What a scanner says of itself.',
      for: { system: 'scanner:read' },
      answer: unknownScanner,
    },
  ]);
  notYetRoutes(api, access, 'scan', [
    {
      id: 'scanArtifact',
      method: 'POST',
      path: scan,
      summary: 'Scans an artifact.',
      for: { project: 'scan:create' },
      answer: noScanner,
    },
    {
      id: 'stopScanArtifact',
      method: 'POST',
      path: `${scan}/stop`,
      summary: 'Stops the scan of an artifact.',
      for: { project: 'scan:stop' },
      answer: refused(() => badRequest('no scan of the artifact is running')),
    },
    {
      id: 'getReportLog',
      method: 'GET',
      path: `${scan}/:report_id/log`,
      summary: 'The log of a scan.',
      for: { project: 'scan:read' },
      answer: refused(({ report_id }) => notFound(`report ${report_id} not found`)),
    },
  ]);
  notYetRoutes(api, access, 'scanAll', [
    {
      id: 'getScanAllSchedule',
      method: 'GET',
      path: scanAll,
      summary: 'When all artifacts are scanned.',
      for: { system: 'scan-all:read' },
      answer: noScanner,
    },
    {
      id: 'createScanAllSchedule',
      method: 'POST',
      path: scanAll,
      summary: 'Scans all artifacts, now or by a schedule.',
      for: { system: 'scan-all:create' },
      answer: noScanner,
    },
    {
      id: 'updateScanAllSchedule',
      method: 'PUT',
      path: scanAll,
      summary: 'Changes when all artifacts are scanned.',
      for: { system: 'scan-all:update' },
      answer: noScanner,
    },
    {
      id: 'stopScanAll',
      method: 'POST',
      path: '/system/scanAll/stop',
      summary: 'Stops the scan of all artifacts.',
      for: { system: 'scan-all:stop' },
      answer: noScanner,
    },
    {
      id: 'getLatestScanAllMetrics',
      method: 'GET',
      path: '/scans/all/metrics',
      summary: 'How far the last scan of all artifacts is.',
      for: { system: 'scan-all:read' },
      answer: noScanner,
    },
    {
      id: 'getLatestScheduledScanAllMetrics',
      method: 'GET',
      path: '/scans/schedule/metrics',
      summary: 'How far the last scheduled scan of all artifacts is.',
      for: { system: 'scan-all:read' },
      answer: noScanner,
    },
  ]);
  notYetRoutes(api, access, 'securityhub', [
    {
      id: 'ListVulnerabilities',
      method: 'GET',
      path: '/security/vul',
      summary: 'What was found in all artifacts.',
      for: { system: 'security-hub:list' },
      answer: emptyList,
    },
  ]);
  notYetRoutes(api, access, 'scan data export', [
    {
      id: 'exportScanData',
      method: 'POST',
      path: '/export/cve',
      summary: 'Writes what was found into a file.',
      for: 'known',
      answer: refused(() => badRequest('there is nothing to export: nothing is scanned yet')),
    },
    {
      id: 'getScanDataExportExecutionList',
      method: 'GET',
      path: '/export/cve/executions',
      summary: 'The exports of who asks.',
      for: 'known',
      answer: shown(z.object({ items: z.array(z.never()) }).meta({ id: 'ScanDataExportExecutionList' }), {
        items: [],
      }),
    },
    {
      id: 'getScanDataExportExecution',
      method: 'GET',
      path: '/export/cve/execution/:execution_id',
      summary: 'An export.',
      for: 'known',
      answer: unknownExport,
    },
    {
      id: 'downloadScanData',
      method: 'GET',
      path: '/export/cve/download/:execution_id',
      summary: 'The file of an export.',
      for: 'known',
      answer: unknownExport,
    },
  ]);
}
