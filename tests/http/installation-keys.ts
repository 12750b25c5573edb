import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CryptoKey, importJWK } from 'jose';
import { type SigningKey, tokenKeysStream } from '../../domain/token-key/events.ts';
import type { EventLog } from '../../infra/event-log/port.ts';
import { secretBox } from '../../infra/secrets/aes-gcm.ts';
import { signingKeyContext } from '../../infra/signing-key/port.ts';
import type { TestServer } from '../server.ts';
import { eventsOf } from './server-log.ts';

/** Every signing key of the server so far, the oldest first. */
export const signingKeysOf = async (log: EventLog): Promise<readonly SigningKey[]> =>
  (await eventsOf(log, tokenKeysStream)).flatMap(({ type, data }) =>
    type === 'SigningKeyCreated' ? [data as SigningKey] : [],
  );

/** The private half, as only the server itself should ever hold it: for tokens that no server would sign. */
export async function privateKeyOf(
  { dataDirectory }: TestServer,
  { kid, sealedPrivateKey }: SigningKey,
): Promise<CryptoKey> {
  const secretKey = (await readFile(join(dataDirectory, 'secret-key'), 'utf8')).trim();
  const jwk = secretBox(secretKey).open(sealedPrivateKey, signingKeyContext(kid));
  return (await importJWK(JSON.parse(jwk), 'ES256')) as CryptoKey;
}
