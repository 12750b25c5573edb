import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Attributes,
  attributesIn,
  isDescriptive,
  maxConfigBytes,
} from '../domain/artifact/attributes.ts';
import type { Descriptor } from '../domain/descriptor.ts';
import { BlobNotFound, type BlobStore, StoreUnavailable } from '../infra/blob-store/port.ts';
import type { Content } from './contents.ts';
import { readBytes } from './read-bytes.ts';

/** A store that takes longer than this is not waited for. */
const patienceMs = 2000;

/**
 * Reads what the config of a manifest says of it. A push does not fail because of it, and does not wait long: where the
 * config cannot be read, there is nothing to show.
 */
export async function readAttributes(
  store: Pick<BlobStore, 'open'>,
  config: Descriptor | undefined,
  blob: Pick<Content, 'key' | 'size'> | undefined,
): Promise<Attributes> {
  if (config === undefined || blob === undefined || !isDescriptive({ ...config, size: blob.size })) return {};
  const waiting = new AbortController();
  try {
    const late = sleep(patienceMs, undefined, { signal: waiting.signal }).catch(() => undefined);
    const bytes = await Promise.race([readBytes(store, blob.key, maxConfigBytes), late]);
    return bytes === undefined ? {} : attributesIn(config.mediaType, bytes);
  } catch (error) {
    if (error instanceof BlobNotFound || error instanceof StoreUnavailable) return {};
    throw error;
  } finally {
    waiting.abort();
  }
}
