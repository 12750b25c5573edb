const flag = (value: string): string | undefined => {
  const lower = value.toLowerCase();
  return lower === 'true' || lower === 'false' ? lower : undefined;
};

const severities = ['none', 'low', 'medium', 'high', 'critical', 'unknown'];
const severity = (value: string): string | undefined => {
  const lower = value.toLowerCase();
  if (lower === 'negligible') return 'none';
  return severities.includes(lower) ? lower : undefined;
};

/** The settings that the management API takes besides `public`, and the form in which each is kept. */
export const metadataForms: Readonly<Record<string, (value: string) => string | undefined>> = {
  enable_content_trust: flag,
  enable_content_trust_cosign: flag,
  prevent_vul: flag,
  severity,
  auto_scan: flag,
  auto_sbom_generation: flag,
  reuse_sys_cve_allowlist: flag,
  /** Shiplog's own: whether an index may name manifests that its repository lacks; without it, it may. */
  sparse_indexes: flag,
};

/** Undefined for a value that the setting cannot have. */
export const publicForm = flag;
