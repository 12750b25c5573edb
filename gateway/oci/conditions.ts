import { type Digest, parseDigest } from '../../domain/digest.ts';
import type { TagCondition } from '../../domain/tag/decider.ts';
import { RequestRefused } from '../errors.ts';

/** More entity tags than this are not looked at: the worst that follows is that the content is sent. */
const maxTags = 64;

/**
 * Whether `If-None-Match` names what has `digest` (RFC 9110 section 13.1.2), so that 304 is the answer. Of the forms
 * that clients send, the quoted, the weak and the bare digest all count, alone or in a list, and so does `*`.
 */
export function isUnchanged(ifNoneMatch: string | undefined, digest: Digest): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === '*') return true;
  return ifNoneMatch.split(',', maxTags).some((tag) => {
    const opaque = tag.trim().replace(/^W\//, '');
    return opaque === digest || opaque === `"${digest}"`;
  });
}

/**
 * Whether the `Range` of a request counts (RFC 9110 section 13.1.5): only for the very content that the client has a
 * part of. A weak tag never says so, and no date does, since content has none here.
 */
export const isSameContent = (ifRange: string | undefined, digest: Digest): boolean =>
  ifRange === undefined || ifRange.trim() === `"${digest}"`;

/**
 * What a push demands of the tags that it sets (RFC 9110 sections 13.1.1 and 13.1.2): `If-None-Match: *` that they are
 * new, `If-Match` that they point at one of the digests, or for `*` at anything. Undefined without either header.
 * @throws RequestRefused 400 for what cannot be understood: a condition that is not checked must let nothing pass.
 */
export function readTagCondition(headers: {
  readonly 'if-match'?: string | undefined;
  readonly 'if-none-match'?: string | undefined;
}): TagCondition | undefined {
  const match = headers['if-match']?.trim();
  const noneMatch = headers['if-none-match']?.trim();
  if (match !== undefined && noneMatch !== undefined) throw unreadable('If-Match and If-None-Match together');
  if (noneMatch !== undefined) {
    if (noneMatch === '*') return { kind: 'absent' };
    throw unreadable('If-None-Match of a push is *');
  }
  if (match === undefined) return undefined;
  if (match === '*') return { kind: 'points-at', digests: '*' };
  const digests = match
    .split(',', maxTags)
    .map((tag) => parseDigest(tag.trim().replace(/^"(.*)"$/, '$1')))
    .filter((digest) => digest !== undefined);
  if (digests.length === 0) throw unreadable('If-Match of a push is * or a list of quoted digests');
  return { kind: 'points-at', digests };
}

const unreadable = (message: string): RequestRefused =>
  new RequestRefused({ status: 400, code: 'UNSUPPORTED', message });
