import { randomBytes } from 'node:crypto';
import { algorithmOf, type Digest, hexOf, parseDigest } from '../../domain/digest.ts';

const shape = /^(sha256|sha512)\/([0-9a-f]{2})\/(\2[0-9a-f]+)\/([0-9a-z]{32,40})$/;

/** 32 hex digits that nobody can guess and that are never drawn twice. */
export const randomName = (): string => randomBytes(16).toString('hex');

/** The key of bytes that have `digest`: `<algorithm>/<first two hex digits>/<hex>/<random>`. */
export const keyOf = (digest: Digest, random: string = randomName()): string =>
  `${algorithmOf(digest)}/${hexOf(digest).slice(0, 2)}/${hexOf(digest)}/${random}`;

/** What `key` says, or undefined where it is not one; only a parsed key may become part of a path. */
export function parseKey(key: string): { readonly digest: Digest; readonly random: string } | undefined {
  const [, algorithm, , hex, random] = shape.exec(key) ?? [];
  if (hex === undefined || random === undefined) return undefined;
  const digest = parseDigest(`${algorithm}:${hex}`);
  return digest && { digest, random };
}

/** Whether `id` is a UUID as Shiplog writes it, and so may become part of a path. */
export const isUploadId = (id: string): boolean =>
  /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(id);
