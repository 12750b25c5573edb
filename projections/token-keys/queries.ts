import type { Kysely } from 'kysely';
import type { PublicKey } from '../../domain/token-key/events.ts';
import type { TokenKeysDatabase } from './projection.ts';

export interface TokenKey {
  readonly kid: string;
  readonly publicKey: PublicKey;
  readonly sealedPrivateKey: string;
  readonly signsFrom: Date;
  /** Null for a key that still signs, or will. */
  readonly verifiesUntil: Date | null;
}

/** All keys whose tokens can be valid at `now`. */
export const listTokenKeys = (db: Kysely<TokenKeysDatabase>, now: Date): Promise<TokenKey[]> =>
  db
    .selectFrom('token_keys')
    .leftJoin('retired_token_keys', 'retired_token_keys.kid', 'token_keys.kid')
    .select([
      'token_keys.kid as kid',
      'public_key as publicKey',
      'sealed_private_key as sealedPrivateKey',
      'signs_from as signsFrom',
      'verifies_until as verifiesUntil',
    ])
    .where(({ eb, or }) => or([eb('verifies_until', 'is', null), eb('verifies_until', '>', now)]))
    .execute();
