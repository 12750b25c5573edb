import type { Logger } from 'pino';
import { recorder } from '../commands/record.ts';
import { newestSigningKey, type RotationPorts, rotateSigningKey } from '../commands/rotate-signing-key.ts';
import { catalogue } from '../domain/catalogue.ts';
import { longestTokenMinutes } from '../domain/configuration/items.ts';
import type { Configuration } from '../infra/configuration/schema.ts';
import { newEventId } from '../infra/event-log/ids.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import { SealBroken, type SecretBox } from '../infra/secrets/port.ts';
import { newSigningKey } from '../infra/signing-key/es256.ts';
import { signingKeyContext } from '../infra/signing-key/port.ts';
import { createLogger } from '../infra/telemetry/logger.ts';
import { openFoundation } from './compose.ts';
import { requireConfiguration } from './configuration.ts';

const system = { actor: 'system' } as const;
const dayMs = 24 * 60 * 60_000;
/** How often a server looks whether its key is old. */
const checkMs = 60 * 60_000;

/** Of any token that was handed out, whatever `token_expiration` was then. */
const tokenLifetimeMs = longestTokenMinutes * 60_000;

/** The secret key is another one than that which the log was written with. */
export class OtherSecretKey extends Error {
  override readonly name = 'OtherSecretKey';
}

/**
 * Tells at the start what would otherwise show in every answer of the token service: a process without the secret key
 * of the installation.
 * @throws OtherSecretKey
 */
async function requireSameSecretKey(log: EventLog, secrets: SecretBox): Promise<void> {
  const { newest } = await newestSigningKey(log);
  if (newest === undefined) return;
  try {
    secrets.open(newest.sealedPrivateKey, signingKeyContext(newest.kid));
  } catch (error) {
    if (!(error instanceof SealBroken)) throw error;
    throw new OtherSecretKey(
      'the secret key (secret_key, or the file secret-key in the data directory) is not the one that this installation was made with; put that one back, or give up what was encrypted with it and run `shiplog token-keys rotate --revoke`',
      { cause: error },
    );
  }
}

/**
 * Sees to it that there is a key to sign tokens with, now, and as long as the server runs that it does not get older
 * than configured.
 */
export async function keepSigningKey(
  configuration: Configuration,
  ports: Omit<RotationPorts, 'newSigningKey'>,
  logger: Logger,
): Promise<{ stop(): void }> {
  const rotate = rotateSigningKey({ ...ports, newSigningKey });
  const { key_days } = configuration.token;
  const olderThanMs = key_days === 0 ? Number.POSITIVE_INFINITY : key_days * dayMs;
  const check = async (): Promise<void> => {
    const rotation = { now: new Date(), tokenLifetimeMs, olderThanMs };
    if ((await rotate(rotation, system)).rotated) logger.info('tokens get a new signing key');
  };
  await check();
  await requireSameSecretKey(ports.log, ports.secrets);
  const timer = setInterval(() => {
    check().catch((error) => logger.error({ err: error }, 'the signing key of tokens was not checked'));
  }, checkMs).unref();
  return { stop: () => clearInterval(timer) };
}

/** `shiplog token-keys rotate`, also beside servers that run. */
export async function rotateTokenKeys(
  file: string | undefined,
  { revoke = false }: { readonly revoke?: boolean },
): Promise<void> {
  const configuration = await requireConfiguration(file);
  const logger = createLogger({ level: 'warn' });
  const { log, secrets, close } = await openFoundation({ configuration, logger, as: 'tool' });
  try {
    const record = recorder({ log, catalogue, newEventId });
    const rotate = rotateSigningKey({ log, record, secrets, newSigningKey });
    const rotation = { now: new Date(), tokenLifetimeMs, revoke };
    const { rotated } = await rotate(rotation, system);
    if (!rotated) console.log('another process has just done so');
    else if (revoke)
      console.log('there is a new key; every token that was handed out is void in a few seconds');
    else console.log('there is a new key; it signs in a minute, and no token that was handed out gets void');
  } finally {
    await close();
  }
}
