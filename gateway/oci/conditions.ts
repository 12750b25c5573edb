import type { Digest } from '../../domain/digest.ts';

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
