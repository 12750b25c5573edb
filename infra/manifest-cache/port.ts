/**
 * Manifests that processes share, so that each need not read them from the blob store. What is under a key never
 * changes; whether it is what it should be is for the caller to check.
 */
export interface ManifestCache {
  /** Undefined where it is not there, or cannot be had within milliseconds. Never rejects. */
  find(key: string): Promise<Buffer | undefined>;
  /** Returns at once; it may be kept or not. */
  keep(key: string, bytes: Buffer): void;
}
