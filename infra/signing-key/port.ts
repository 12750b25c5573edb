import type { SigningKey } from '../../domain/token-key/events.ts';

/** Makes a key pair that nobody has had before. */
export type NewSigningKey = () => Promise<
  Pick<SigningKey, 'kid' | 'algorithm' | 'publicKey'> & {
    /** A JWK as JSON; to be sealed at once. */
    readonly privateKey: string;
  }
>;

/** What a private key is sealed as; see `SecretBox`. */
export const signingKeyContext = (kid: string): string => `signing-key/${kid}`;
