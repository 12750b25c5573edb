/** The form in which a value is kept; undefined for one that the setting cannot have. */
export type MetadataForm = (value: string) => string | undefined;

/** As Harbor reads them. */
const flag: MetadataForm = (value) => {
  if (/^(true|t|1)$/i.test(value)) return 'true';
  return /^(false|f|0)$/i.test(value) ? 'false' : undefined;
};

const severities = ['none', 'low', 'medium', 'high', 'critical', 'unknown'];
const severity: MetadataForm = (value) => {
  const lower = value.toLowerCase();
  if (lower === 'negligible') return 'none';
  return severities.includes(lower) ? lower : undefined;
};

/** Shiplog's own: whether the audit log tells of pulls; without it, as the settings of the system say. */
export const pullsKey = 'audit_pulls';

/** The settings that the management API takes besides `public`. */
export const metadataForms: Readonly<Record<string, MetadataForm>> = {
  enable_content_trust: flag,
  enable_content_trust_cosign: flag,
  prevent_vul: flag,
  severity,
  auto_scan: flag,
  auto_sbom_generation: flag,
  reuse_sys_cve_allowlist: flag,
  proxy_cache_local_on_not_found: flag,
  proxy_referrer_api: flag,
  /** Shiplog's own: whether an index may name manifests that its repository lacks; without it, it may. */
  sparse_indexes: flag,
  [pullsKey]: flag,
};

/** Settings of a project that is a cache of another registry; Harbor drops them where it is none. */
export const metadataOfCaches: ReadonlySet<string> = new Set([
  'proxy_speed_kb',
  'max_upstream_conn',
  'proxy_cache_filter_pattern',
  'proxy_cache_filter_kind',
]);

/** The number of the retention policy, which that policy sets. */
export const retentionKey = 'retention_id';
/** Which scanner the project chose for itself. */
export const scannerKey = 'projectScanner';

export const publicForm = flag;
