import { type CryptoKey, importJWK } from 'jose';
import type { SecretBox } from '../../infra/secrets/port.ts';
import { signingKeyContext } from '../../infra/signing-key/port.ts';
import type { TokenKey } from '../../projections/token-keys/queries.ts';

export interface KeyRingPorts {
  /** All keys whose tokens can be valid at `now`. */
  listTokenKeys(now: Date): Promise<readonly TokenKey[]>;
  readonly openSecret: SecretBox['open'];
}

/** Half of a key pair, ready for use; its algorithm is fixed. */
export interface RingKey {
  readonly kid: string;
  readonly key: CryptoKey;
}

/** The keys of registry tokens, as this process knows them. */
export interface KeyRing {
  signing(): Promise<RingKey>;
  /** Undefined where there is no such key, or its time is over. */
  verifying(kid: string): Promise<CryptoKey | undefined>;
}

/** How old the knowledge of this process may be; far below the time for which a key is published before it signs. */
const refreshMs = 5000;
/** How soon it looks again for a key that it does not know, whatever strangers name as one. */
const unknownMs = 1000;

interface Held extends TokenKey {
  readonly verifying: CryptoKey;
}

export function keyRing({ listTokenKeys, openSecret }: KeyRingPorts): KeyRing {
  let keys: ReadonlyMap<string, Held> = new Map();
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;
  let signing: RingKey | undefined;

  async function read(): Promise<void> {
    const listed = await listTokenKeys(new Date());
    const held = listed.map(
      async (key): Promise<[string, Held]> => [
        key.kid,
        { ...key, verifying: keys.get(key.kid)?.verifying ?? (await cryptoKey(key.publicKey)) },
      ],
    );
    keys = new Map(await Promise.all(held));
    readAt = performance.now();
  }

  async function refresh(olderThanMs: number): Promise<void> {
    if (performance.now() - readAt < olderThanMs) return;
    reading ??= read().finally(() => {
      reading = undefined;
    });
    await reading;
  }

  return {
    async verifying(kid) {
      await refresh(refreshMs);
      if (!keys.has(kid)) await refresh(unknownMs);
      const held = keys.get(kid);
      const isOver = held?.verifiesUntil != null && held.verifiesUntil.getTime() <= Date.now();
      return isOver ? undefined : held?.verifying;
    },

    async signing() {
      await refresh(refreshMs);
      const held = newestOf([...keys.values()], Date.now());
      if (held === undefined) throw new Error('there is no key to sign tokens with');
      if (signing?.kid === held.kid) return signing;
      const privateKey = openSecret(held.sealedPrivateKey, signingKeyContext(held.kid));
      signing = { kid: held.kid, key: await cryptoKey(JSON.parse(privateKey)) };
      return signing;
    },
  };
}

/** The newest that may sign; where the clock is behind and none may yet, the one that was first to. */
function newestOf(keys: readonly Held[], now: number): Held | undefined {
  const inOrder = keys.toSorted((a, b) => a.signsFrom.getTime() - b.signsFrom.getTime());
  return inOrder.findLast(({ signsFrom }) => signsFrom.getTime() <= now) ?? inOrder[0];
}

async function cryptoKey(jwk: Parameters<typeof importJWK>[0]): Promise<CryptoKey> {
  const key = await importJWK(jwk, 'ES256');
  if (key instanceof Uint8Array) throw new Error('a symmetric key is no key for tokens');
  return key;
}
