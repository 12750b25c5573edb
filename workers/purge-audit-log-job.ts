import { type PurgeParameters, purgeParameters } from '../domain/audit/purge-parameters.ts';
import type { Metadata } from '../domain/event.ts';
import type { JobHandler, JobRun } from './job.ts';

export interface PurgeAuditLogJobPorts {
  /** Resolves to how many rows went, or would go. @throws the reason of `stopping`, aborted. */
  purge(
    what: {
      readonly retentionHours: number;
      readonly eventTypes: readonly string[];
      readonly dryRun: boolean;
    },
    run: Pick<JobRun, 'stopping' | 'log'>,
    metadata: Metadata,
  ): Promise<{ readonly rows: number }>;
}

/** PURGE_AUDIT_LOG: takes old rows from the audit log. */
export const purgeAuditLogJob = ({ purge }: PurgeAuditLogJobPorts): JobHandler<PurgeParameters> => ({
  kind: 'PURGE_AUDIT_LOG',
  parameters: purgeParameters,
  exclusive: true,

  async run({ parameters, jobId }, run) {
    const { audit_retention_hour, include_event_types, dry_run = false } = parameters;
    const eventTypes = include_event_types.split(',').map((name) => name.trim());
    const what = { retentionHours: audit_retention_hour, eventTypes, dryRun: dry_run };
    try {
      const { rows } = await purge(what, run, { actor: 'system', correlationId: jobId });
      return { purged_audit_log: rows };
    } catch (error) {
      if (run.stopping.aborted) return {};
      throw error;
    }
  },
});
