import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { type Component, isHealthy } from '../health.ts';
import type { Access } from './access.ts';
import { says, shows, time } from './answer-forms.ts';
import type { ConfigurationPorts } from './configurations.ts';
import { notFound } from './faults.ts';
import { operation } from './operation.ts';

export interface SystemPorts {
  /** How the parts of the system are, by Harbor's names for them. */
  health(log: FastifyRequest['log']): Promise<readonly Component[]>;
  /** The version of Harbor whose API this is, and that of this program: `v2.14.0-…`. */
  readonly harborVersion: string;
  /** What stores the blobs, by Harbor's name for it. */
  readonly storageProvider: string;
  /** By which scheme, host and port clients reach the registry, without a slash at the end. */
  urlFor(request: FastifyRequest): string;
  /** The disk of this machine that holds the data, in bytes. */
  volume(): Promise<{ readonly total: number; readonly free: number }>;
  /** The certificate that clients are to trust, in PEM; undefined where none is installed. */
  rootCertificate(): Promise<string | undefined>;
}

/** Harbor's `GeneralInfo`. */
const generalInfo = z
  .object({
    auth_mode: z.string(),
    primary_auth_mode: z.boolean(),
    self_registration: z.boolean(),
    banner_message: z.string().describe('A JSON object in a text; empty for none'),
    oidc_provider_name: z.string().optional(),
    harbor_version: z.string().optional(),
    registry_url: z.string().optional(),
    external_url: z.string().optional(),
    has_ca_root: z.boolean().optional(),
    project_creation_restriction: z.string().optional(),
    read_only: z.boolean().optional(),
    notification_enable: z.boolean().optional(),
    registry_storage_provider_name: z.string().optional(),
    current_time: time.optional(),
  })
  .meta({ id: 'GeneralInfo' });

const status = z.enum(['healthy', 'unhealthy']);

/** Harbor's `OverallHealthStatus`. */
const overallHealth = z
  .object({
    status,
    components: z.array(
      z
        .object({ name: z.string(), status, error: z.string().optional() })
        .meta({ id: 'ComponentHealthStatus' }),
    ),
  })
  .meta({ id: 'OverallHealthStatus' });

/** Harbor's `SystemInfo`. */
const volumes = z
  .object({
    storage: z.array(
      z.object({ total: z.int().describe('Bytes'), free: z.int().describe('Bytes') }).meta({ id: 'Storage' }),
    ),
  })
  .meta({ id: 'SystemInfo' });

/** Harbor's `ping`, `health` and `systeminfo` operations. */
export function systemRoutes(
  api: FastifyInstance,
  ports: SystemPorts & Pick<ConfigurationPorts, 'configuration'>,
  access: Access,
): void {
  operation(
    api,
    {
      id: 'getPing',
      tag: 'ping',
      method: 'GET',
      path: '/ping',
      summary: 'Whether anybody is there.',
      answer: says(),
    },
    async () => 'Pong',
  );

  operation(
    api,
    {
      id: 'getHealth',
      tag: 'health',
      method: 'GET',
      path: '/health',
      summary: 'How the parts of the system are.',
      answer: shows(overallHealth),
    },
    async ({ request }) => {
      const components = await ports.health(request.log);
      return {
        status: isHealthy(components) ? ('healthy' as const) : ('unhealthy' as const),
        components: components.map((component) =>
          component.status === 'healthy'
            ? component
            : { ...component, error: 'it does not answer as it should' },
        ),
      };
    },
  );

  operation(
    api,
    {
      id: 'getSystemInfo',
      tag: 'systeminfo',
      method: 'GET',
      path: '/systeminfo',
      summary: 'What this registry is, and more of it for who has logged in.',
      answer: shows(generalInfo),
    },
    async ({ request }) => {
      const { principal } = await access.anyone(request);
      const settings = await ports.configuration();
      const { auth_mode, primary_auth_mode, self_registration, banner_message } = settings;
      const forAnybody = {
        ...{ auth_mode, primary_auth_mode, self_registration, banner_message },
        ...(auth_mode === 'oidc_auth' && { oidc_provider_name: settings.oidc_name }),
      };
      if (principal.kind === 'anonymous') return forAnybody;
      const url = ports.urlFor(request);
      return {
        ...forAnybody,
        harbor_version: ports.harborVersion,
        external_url: url,
        registry_url: url.replace(/^\w+:\/\//, ''),
        has_ca_root: (await ports.rootCertificate()) !== undefined,
        project_creation_restriction: settings.project_creation_restriction,
        read_only: settings.read_only,
        notification_enable: settings.notification_enable,
        registry_storage_provider_name: ports.storageProvider,
        current_time: new Date(),
      };
    },
  );

  operation(
    api,
    {
      id: 'getVolumes',
      tag: 'systeminfo',
      method: 'GET',
      path: '/systeminfo/volumes',
      summary:
        'The disk of this machine that holds the data; blobs in S3 are elsewhere, where nobody says what is free.',
      answer: shows(volumes),
    },
    async ({ request }) => {
      await access.inSystem(request, 'system-volumes:read');
      return { storage: [await ports.volume()] };
    },
  );

  operation(
    api,
    {
      id: 'getCert',
      tag: 'systeminfo',
      method: 'GET',
      path: '/systeminfo/getcert',
      summary: 'The certificate of the authority that clients are to trust, where one is installed.',
      answer: says('application/x-x509-ca-cert'),
    },
    async ({ reply }) => {
      const certificate = await ports.rootCertificate();
      if (certificate === undefined) throw notFound('no certificate is installed');
      reply.header('content-disposition', 'attachment; filename=ca.crt');
      return certificate;
    },
  );
}
