import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Refusal } from '../../domain/refusal.ts';
import { type IdentifyPorts, identifyWith } from '../auth/identify.ts';
import { RequestRefused } from '../errors.ts';
import { eventRoutes } from '../events/event-routes.ts';
import type { AccessPorts } from '../oci/access.ts';
import { refuseWhileReadOnly } from '../read-only.ts';
import { accessTo } from './access.ts';
import { accessTokenRoutes } from './access-tokens.ts';
import { additionRoutes } from './additions/routes.ts';
import { artifactLabelRoutes } from './artifact-labels.ts';
import { artifactRoutes } from './artifacts.ts';
import { auditEntryRoutes } from './audit-entries.ts';
import { auditExportRoutes } from './audit-exports.ts';
import { auditForwardingRoutes } from './audit-forwarding.ts';
import { auditLogRoutes } from './audit-logs.ts';
import { auditPurgeRoutes } from './audit-purge.ts';
import { configurationRoutes } from './configurations.ts';
import { cveAllowlistRoutes } from './cve-allowlist.ts';
import { documentRoutes } from './document.ts';
import { needed, notFound, preconditionFailed } from './faults.ts';
import { garbageCollectionRoutes } from './garbage-collection.ts';
import { garbageWhatIfRoutes } from './garbage-what-if.ts';
import { iconRoutes } from './icons.ts';
import { immutabilityRoutes } from './immutability.ts';
import { jobServiceRoutes } from './job-service.ts';
import { jobRoutes } from './jobs.ts';
import { labelRoutes } from './labels.ts';
import { memberRoutes } from './members.ts';
import { directoryRoutes } from './not-yet/directories.ts';
import { preheatingRoutes } from './not-yet/preheating.ts';
import { registryRoutes } from './not-yet/registries.ts';
import { replicationRoutes } from './not-yet/replication.ts';
import { scanningRoutes } from './not-yet/scanning.ts';
import { securitySummaryRoutes } from './not-yet/security-summary.ts';
import { refuseBadQueries } from './parameters.ts';
import { permissionRoutes } from './permissions.ts';
import type { ApiParts, ApiPorts } from './ports.ts';
import { preferenceRoutes } from './preferences.ts';
import { projectListRoutes } from './project-list.ts';
import { projectMetadataRoutes } from './project-metadata.ts';
import { projectScannerRoutes } from './project-scanner.ts';
import { projectRoutes } from './projects.ts';
import { quotaRoutes } from './quotas.ts';
import { rememberAsker, tellOfRefusedChanges } from './refused-changes.ts';
import { registryWebhookRoutes } from './registry-webhooks.ts';
import { repositoryRoutes } from './repositories.ts';
import { retentionRunRoutes } from './retention-runs.ts';
import { retentionWhatIfRoutes } from './retention-what-if.ts';
import { retentionRoutes } from './retentions.ts';
import { robotRoutes } from './robots.ts';
import { scrubRoutes } from './scrub.ts';
import { searchRoutes } from './search.ts';
import { searchNamesRoutes } from './search-names.ts';
import { type SessionPorts, sessionRoutes } from './sessions.ts';
import { statisticRoutes } from './statistics.ts';
import { storageRoutes } from './storage.ts';
import { systemRoutes } from './system.ts';
import { tagRowRoutes } from './tag-rows.ts';
import { tagRoutes } from './tags.ts';
import { answerUnknownPaths } from './unknown-paths.ts';
import { userErasureRoutes } from './user-erasures.ts';
import { userGroupRoutes } from './user-groups.ts';
import { userRoutes } from './users.ts';
import { webhookLedgerRoutes } from './webhook-ledger.ts';
import { webhookSecretRoutes } from './webhook-secrets.ts';
import { webhookRoutes } from './webhooks.ts';

export interface ManagementPorts
  extends Omit<IdentifyPorts, 'sessions'>,
    SessionPorts,
    Pick<AccessPorts, 'limit' | 'rolesOf' | 'currentTraceparent'> {
  readonly api: ApiParts;
  isReady(): boolean;
}

/** The management API under `/api/v2.0`, compatible with that of Harbor. */
export function managementApi(app: FastifyInstance, ports: ManagementPorts): void {
  app.get('/api/version', async () => ({ version: 'v2.0' }));
  // Where Harbor has its explorer of the API.
  app.get('/devcenter-api-2.0', (_request, reply) => reply.redirect('/api/v2.0/reference'));

  app.register(
    async (api) => {
      const { limit, rolesOf, sessions, confirmPassword, currentTraceparent } = ports;
      const identifyAgain = identifyWith(ports);
      const parts: ApiPorts = {
        ...ports.api,
        rolesOf,
        sessions,
        confirmPassword,
        currentTraceparent,
        async identify(request) {
          const principal = await identifyAgain(request);
          rememberAsker(request, principal);
          await limit(principal, request.ip);
          return principal;
        },
        identifyAgain,
      };
      const access = accessTo(parts);

      answerUnknownPaths(api);
      tellOfRefusedChanges(api, parts);
      documentRoutes(api, parts.version);
      api.addHook('onRequest', async (request) => {
        refuseBadQueries(request);
        if (!ports.isReady() && !alwaysAnswered.has(operationOf(request))) throw starting;
        if (!alwaysDone.has(operationOf(request))) await refuseWhileReadOnly(ports.api, request);
      });
      api.setErrorHandler((error) => {
        throw inWordsOfTheApi(error);
      });
      systemRoutes(api, parts, access);
      configurationRoutes(api, parts, access);
      statisticRoutes(api, parts, access);
      userRoutes(api, parts, access);
      userErasureRoutes(api, parts, access);
      userGroupRoutes(api, parts, access);
      projectListRoutes(api, parts, access);
      sessionRoutes(api, parts, access);
      projectRoutes(api, parts, access);
      auditLogRoutes(api, parts, access);
      auditForwardingRoutes(api, parts, access);
      auditEntryRoutes(api, parts, access);
      auditExportRoutes(api, parts, access);
      projectMetadataRoutes(api, parts, access);
      projectScannerRoutes(api, parts, access);
      cveAllowlistRoutes(api, parts, access);
      memberRoutes(api, parts, access);
      repositoryRoutes(api, parts, access);
      artifactRoutes(api, parts, access);
      tagRoutes(api, parts, access);
      tagRowRoutes(api, parts, access);
      robotRoutes(api, parts, access);
      accessTokenRoutes(api, parts, access);
      preferenceRoutes(api, parts, access);
      permissionRoutes(api, parts, access);
      for (const routes of [garbageCollectionRoutes, garbageWhatIfRoutes, scrubRoutes, auditPurgeRoutes])
        routes(api, parts.systemJobs, access);
      jobServiceRoutes(api, parts.jobs, access);
      jobRoutes(api, parts.jobs, access);
      labelRoutes(api, parts.labels, access);
      immutabilityRoutes(api, parts.immutability, access);
      webhookRoutes(api, parts.webhooks, access);
      webhookLedgerRoutes(api, parts.webhooks, access);
      registryWebhookRoutes(api, parts.webhooks, access);
      webhookSecretRoutes(api, parts.webhooks, access);
      for (const routes of [retentionRoutes, retentionRunRoutes, retentionWhatIfRoutes])
        routes(api, parts.retentions, access);
      quotaRoutes(api, parts.quotas, access);
      storageRoutes(api, parts, access);
      eventRoutes(api, parts, access);
      artifactLabelRoutes(api, parts, access);
      additionRoutes(api, parts, access);
      iconRoutes(api, access);
      searchRoutes(api, parts, access);
      securitySummaryRoutes(api, parts, access);
      searchNamesRoutes(api, parts, access);
      for (const routes of [
        directoryRoutes,
        preheatingRoutes,
        registryRoutes,
        replicationRoutes,
        scanningRoutes,
      ])
        routes(api, access);
    },
    { prefix: '/api/v2.0' },
  );
}

/** Those who watch over the registry ask also while it starts. */
const alwaysAnswered: ReadonlySet<string> = new Set(['getPing', 'getHealth']);
/** How the system becomes writable again, and what nobody may be kept from whose session or secret was stolen. */
const alwaysDone: ReadonlySet<string> = new Set([
  'updateConfigurations',
  'endPreviousRobotSecret',
  'endUserSession',
  'endUserSessions',
  'revokeAccessToken',
]);
const operationOf = ({ routeOptions }: FastifyRequest): string => routeOptions.config.operation?.id ?? '';

const starting = new RequestRefused({
  status: 503,
  code: 'UNAVAILABLE',
  message: 'the registry is starting',
  headers: { 'retry-after': '1' },
});

/** What the distribution protocol says otherwise. */
function inWordsOfTheApi(error: unknown): unknown {
  if (error instanceof Refusal && error.reason.kind === 'project-unknown')
    return notFound(`project ${error.reason.project} not found`);
  if (error instanceof Refusal && error.reason.kind === 'manifest-referenced') return needed();
  if (error instanceof Refusal && error.reason.kind === 'tag-immutable') {
    const { tag, deed } = error.reason;
    const done = deed === 'move' ? 'updated' : 'deleted';
    return preconditionFailed(`the tag ${tag} configured as immutable, cannot be ${done}`);
  }
  return error;
}
