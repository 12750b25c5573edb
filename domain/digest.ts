import { z } from 'zod';

/** The algorithms of image-spec, "Registered algorithms", that a registry must accept, and their hex lengths. */
const hexLength = { sha256: 64, sha512: 128 } as const;
export type DigestAlgorithm = keyof typeof hexLength;

/** A content digest (image-spec, "Digests"): `sha256:` and 64, or `sha512:` and 128 lower-case hex digits. */
export const digest = z
  .string()
  .regex(/^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/, 'a digest is sha256:<64 hex> or sha512:<128 hex>')
  .brand<'Digest'>();
export type Digest = z.infer<typeof digest>;

export const isDigestAlgorithm = (name: unknown): name is DigestAlgorithm =>
  typeof name === 'string' && Object.hasOwn(hexLength, name);

/** The digest in `text`, or undefined where it is not one that Shiplog supports. */
export function parseDigest(text: string): Digest | undefined {
  const parsed = digest.safeParse(text);
  return parsed.success ? parsed.data : undefined;
}

export const algorithmOf = (of: Digest): DigestAlgorithm => of.slice(0, of.indexOf(':')) as DigestAlgorithm;
export const hexOf = (of: Digest): string => of.slice(of.indexOf(':') + 1);

/** The digest of `algorithm` with the value `hex`; the caller vouches that it was computed, not received. */
export const digestFrom = (algorithm: DigestAlgorithm, hex: string): Digest =>
  `${algorithm}:${hex}` as Digest;
