import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { SealBroken, type SecretBox } from './port.ts';

const cipher = 'aes-256-gcm';
/** Names the format, so that another one can stand beside it. */
const prefix = 'v1.';
const ivBytes = 12;
const tagBytes = 16;

/** A box whose keys are derived from `secretKey`, which has at least 16 characters that nobody can guess. */
export function secretBox(secretKey: string): SecretBox {
  const derive = (purpose: string) => Buffer.from(hkdfSync('sha256', secretKey, 'shiplog', purpose, 32));
  const sealing = derive('seal');
  const printing = derive('fingerprint');

  return {
    seal: (text, context) => sealWith(sealing, text, context),
    open: (sealed, context) => openWith(sealing, sealed, context),
    fingerprint: (text, context) =>
      createHmac('sha256', printing)
        .update(JSON.stringify([context, text]))
        .digest('base64url'),
  };
}

/** `v1.` and the base64url of nonce, tag and cipher text. `key` has 32 bytes. */
export function sealWith(key: Buffer, text: string, context: string): string {
  const iv = randomBytes(ivBytes);
  const encrypting = createCipheriv(cipher, key, iv, { authTagLength: tagBytes }).setAAD(
    Buffer.from(context),
  );
  const encrypted = [encrypting.update(text, 'utf8'), encrypting.final()];
  return prefix + Buffer.concat([iv, encrypting.getAuthTag(), ...encrypted]).toString('base64url');
}

/** @throws SealBroken */
export function openWith(key: Buffer, sealed: string, context: string): string {
  const bytes = Buffer.from(sealed.slice(prefix.length), 'base64url');
  if (!sealed.startsWith(prefix) || bytes.length < ivBytes + tagBytes)
    throw new SealBroken('this is no sealed text');
  const tag = bytes.subarray(ivBytes, ivBytes + tagBytes);
  const decrypting = createDecipheriv(cipher, key, bytes.subarray(0, ivBytes), { authTagLength: tagBytes })
    .setAAD(Buffer.from(context))
    .setAuthTag(tag);
  try {
    const opened = [decrypting.update(bytes.subarray(ivBytes + tagBytes)), decrypting.final()];
    return Buffer.concat(opened).toString('utf8');
  } catch (error) {
    throw new SealBroken('the sealed text does not open with this key and context', { cause: error });
  }
}
