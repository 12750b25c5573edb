import { z } from 'zod';
import { type Digest, parseDigest } from '../../domain/digest.ts';
import { repositoryName, tagName } from '../../domain/repository.ts';
import { RequestRefused } from '../errors.ts';

/** What stands after the repository's name; names may hold any of these words, so the end of the path decides. */
const endings: readonly RegExp[] = [
  /^(.+?)(\/manifests\/[^/]+)$/,
  /^(.+?)(\/tags\/list)$/,
  /^(.+?)(\/referrers\/[^/]+)$/,
  /^(.+?)(\/blobs\/uploads\/?)$/,
  /^(.+?)(\/blobs\/uploads\/[^/]+)$/,
  /^(.+?)(\/blobs\/[^/]+)$/,
];

/**
 * Folds the slashes of a repository's name, so that the router sees it as one path segment: `/v2/a/b/tags/list`
 * becomes `/v2/a%2Fb/tags/list`. Other paths stay as they are.
 */
export function foldRepositoryName(url: string): string {
  if (!url.startsWith('/v2/')) return url;
  const query = url.indexOf('?');
  const path = query === -1 ? url.slice(4) : url.slice(4, query);
  for (const ending of endings) {
    const match = ending.exec(path);
    const [, name, rest] = match ?? [];
    if (name !== undefined && rest !== undefined) {
      return `/v2/${name.replaceAll('/', '%2F')}${rest}${query === -1 ? '' : url.slice(query)}`;
    }
  }
  return url;
}

/** Made once: zod compiles a schema when it is first used, which costs more than all the rest of a request. */
const named = z.object({ name: repositoryName });

/** @throws RequestRefused NAME_INVALID */
export function readName(params: unknown): string {
  const parsed = named.safeParse(params);
  if (parsed.success) return parsed.data.name;
  throw new RequestRefused({ status: 400, code: 'NAME_INVALID', message: faultsOf(parsed.error) });
}

/** @throws RequestRefused DIGEST_INVALID */
export function readDigest(text: unknown): Digest {
  const digest = typeof text === 'string' ? parseDigest(text) : undefined;
  if (digest !== undefined) return digest;
  throw new RequestRefused({
    status: 400,
    code: 'DIGEST_INVALID',
    message: 'a digest is sha256: and 64, or sha512: and 128 lower-case hex digits, given once',
  });
}

export type Reference =
  | { readonly kind: 'tag'; readonly tag: string }
  | { readonly kind: 'digest'; readonly digest: Digest };

/** A reference with a colon is a digest, or a bad one; any other is a tag. @throws RequestRefused */
export function readReference(text: string): Reference {
  if (text.includes(':')) return { kind: 'digest', digest: readDigest(text) };
  return { kind: 'tag', tag: readTag(text) };
}

/** @throws RequestRefused TAG_INVALID */
export function readTag(text: unknown): string {
  const parsed = tagName.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new RequestRefused({ status: 400, code: 'TAG_INVALID', message: faultsOf(parsed.error) });
}

const faultsOf = (error: z.ZodError): string => error.issues.map(({ message }) => message).join('; ');
