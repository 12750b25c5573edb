/** The kinds of work that Harbor has, in the order in which its dashboard lists their queues. */
export const harborKinds = [
  'GARBAGE_COLLECTION',
  'PURGE_AUDIT_LOG',
  'P2P_PREHEAT',
  'IMAGE_SCAN',
  'REPLICATION',
  'RETENTION',
  'SCAN_DATA_EXPORT',
  'SCHEDULER',
  'SLACK',
  'SYSTEM_ARTIFACT_CLEANUP',
  'WEBHOOK',
  'EXECUTION_SWEEP',
  'AUDIT_LOGS_GDPR_COMPLIANT',
] as const;

/** All kinds of work: Harbor's, and ours beyond them, which its dashboard does not list. */
export const jobKinds = [
  ...harborKinds,
  'SCRUB',
  'RETENTION_WHAT_IF',
  'GC_WHAT_IF',
  'AUDIT_EXPORT',
  'WEBHOOK_REDELIVERY',
] as const;
export type JobKind = (typeof jobKinds)[number];

/** What stands for the thing that work is done for where there is none, as Harbor's clients know it. */
export const noVendor = -1;
