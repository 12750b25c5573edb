import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { PutAside } from '../../infra/forwarding-state/port.ts';
import type { Access } from './access.ts';
import { shows, time } from './answer-forms.ts';
import type { ConfigurationPorts } from './configurations.ts';
import { operation } from './operation.ts';

export interface ForwardingStatus {
  readonly name: string;
  readonly type: string;
  readonly position: bigint;
  readonly head: bigint;
  readonly lagSeconds: number;
  readonly lastError: string | undefined;
  readonly lastErrorAt: Date | undefined;
  readonly refused: number;
  readonly lastRefused: readonly PutAside[];
}

export interface AuditForwardingPorts {
  /** @param endpoint that of Harbor's API; empty where there is none */
  auditForwarding(endpoint: string): Promise<readonly ForwardingStatus[]>;
}

const refusedEvent = z
  .object({
    event_id: z.string(),
    position: z.int(),
    reason: z.string().describe('In the words of the target'),
    refused_at: time,
  })
  .meta({ id: 'AuditForwardingRefusal' });

const target = z
  .object({
    name: z.string(),
    type: z.string().describe('syslog, splunk-hec, elasticsearch, otlp or http'),
    position: z.int().describe('The position of the log up to which the target has taken everything'),
    head: z.int().describe('The position of the last event of the log'),
    lag_seconds: z.number().describe('How long ago the first event after `position` was recorded'),
    last_error: z.string().optional(),
    last_error_at: time.optional(),
    refused: z.int().describe('How many events it has refused for ever, which were put aside'),
    last_refused: z.array(refusedEvent).describe('The newest of them'),
  })
  .meta({ id: 'AuditForwardingTarget' });

/** What Shiplog says of the forwarding of the audit log, beyond Harbor. */
export function auditForwardingRoutes(
  api: FastifyInstance,
  ports: AuditForwardingPorts & Pick<ConfigurationPorts, 'configuration'>,
  access: Access,
): void {
  operation(
    api,
    {
      id: 'listAuditForwarding',
      tag: 'auditlog',
      method: 'GET',
      path: '/audit/forwarding',
      summary: 'Where the audit log is forwarded to, and how far each target is.',
      answer: shows(z.array(target)),
    },
    async ({ request }) => {
      await access.inSystem(request, 'audit-log:list');
      const { audit_log_forward_endpoint: endpoint } = await ports.configuration();
      return (await ports.auditForwarding(endpoint)).map(shown);
    },
  );
}

const shown = ({ lastError, lastErrorAt, lastRefused, lagSeconds, ...status }: ForwardingStatus) => ({
  name: status.name,
  type: status.type,
  position: Number(status.position),
  head: Number(status.head),
  lag_seconds: lagSeconds,
  ...(lastError !== undefined && { last_error: lastError }),
  ...(lastErrorAt !== undefined && { last_error_at: lastErrorAt }),
  refused: status.refused,
  last_refused: lastRefused.map(({ id, position, reason, at }) => ({
    event_id: id,
    position: Number(position),
    reason,
    refused_at: at,
  })),
});
