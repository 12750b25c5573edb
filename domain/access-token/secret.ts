/*
 * The text of an access token: `shiplog_pat_<number>_<43 characters><6 characters>`, the random part and the checksum in
 * base 62. The beginning tells people and scanners for leaked secrets what it is, the checksum tells a scanner that it
 * is one, and a double click selects all of it.
 */

export const accessTokenPrefix = 'shiplog_pat_';

const form = /^shiplog_pat_([1-9]\d{0,9})_[0-9A-Za-z]{43}([0-9A-Za-z]{6})$/;
const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const maxId = 2 ** 31 - 1;

/** @param random 32 bytes that nobody can guess. */
export function writeAccessToken(tokenId: number, random: Uint8Array): string {
  if (random.length !== 32) throw new RangeError(`an access token has 32 random bytes, not ${random.length}`);
  const secret = random.reduce((all, byte) => all * 256n + BigInt(byte), 0n);
  const text = `${accessTokenPrefix}${tokenId}_${inBase62(secret, 43)}`;
  return text + checksumOf(text);
}

/** The number of the token that `text` says to be; undefined for what was not written as a token. */
export function readAccessToken(text: string): number | undefined {
  const [, id, checksum] = form.exec(text) ?? [];
  if (id === undefined || checksum !== checksumOf(text.slice(0, -6)) || Number(id) > maxId) return undefined;
  return Number(id);
}

const checksumOf = (text: string): string => inBase62(BigInt(crc32(text)), 6);

function inBase62(value: bigint, length: number): string {
  let text = '';
  for (let rest = value; rest > 0n; rest /= 62n) text = digits.charAt(Number(rest % 62n)) + text;
  return text.padStart(length, '0');
}

/** Of ASCII text; IEEE 802.3, as `zlib` has it. */
function crc32(text: string): number {
  let crc = 0xffffffff;
  for (const character of text) {
    crc ^= character.charCodeAt(0);
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
