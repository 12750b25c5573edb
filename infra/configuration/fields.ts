import { isIP } from 'node:net';
import { z } from 'zod';
import { Secret } from './secret.ts';

/*
 * The kinds of keys that the configuration has. Each takes what the key means, for the reference and the JSON
 * Schema; each one's messages say what is expected, since the loader puts them after "expected".
 */

export const text = (meaning: string, expected = 'text') =>
  z.string({ error: expected }).min(1, { error: expected }).meta({ description: meaning });

/** A path, relative to the working directory. */
export const path = (meaning: string) => text(meaning, 'the path of a file or a directory');

export const flag = (meaning: string) => z.boolean({ error: 'true or false' }).meta({ description: meaning });

/** A whole number from `min` to `max`, both included. */
export function whole(meaning: string, min: number, max: number) {
  const error = `a whole number from ${min} to ${max}`;
  return (
    z
      .number({ error })
      .min(min, { error })
      .max(max, { error })
      // Not z.int(), which would keep the rules between keys from running when it fails.
      .refine(Number.isInteger, { error })
      .meta({ description: meaning, type: 'integer' })
  );
}

const unitMs: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** A time as Go and Harbor write it, `168h` or `1h30m`; becomes milliseconds. */
export function duration(meaning: string, minMs = 0) {
  const error =
    minMs === 0
      ? 'a duration such as 168h or 1h30m'
      : `a duration of at least ${minMs / 1000}s, such as 168h or 1h30m`;
  return z
    .string({ error })
    .refine((text) => /^(?:\d{1,9}(?:h|m|s|ms))+$/.test(text) && millisecondsOf(text) >= minMs, { error })
    .transform(millisecondsOf)
    .meta({ description: meaning });
}

const millisecondsOf = (text: string): number =>
  [...text.matchAll(/(\d+)(ms|[hms])/g)].reduce(
    (sum, [, number, unit = '']) => sum + Number(number) * (unitMs[unit] ?? 0),
    0,
  );

/** A number from `min` to `max`, both included. */
export function decimal(meaning: string, min: number, max: number) {
  const error = `a number from ${min} to ${max}`;
  return z.number({ error }).min(min, { error }).max(max, { error }).meta({ description: meaning });
}

/** A TCP port to connect to. */
export const port = (meaning: string) => whole(meaning, 1, 65535);
/** A TCP port to listen on; 0 lets the system choose one. */
export const listeningPort = (meaning: string) => whole(meaning, 0, 65535);

export const choice = <const Values extends readonly [string, ...string[]]>(
  meaning: string,
  values: Values,
) => z.enum(values, { error: `one of ${values.join(', ')}` }).meta({ description: meaning });

export const hostname = (meaning: string) =>
  z
    .string({ error: hostExpected })
    .refine((host) => isIP(host) !== 0 || hostPattern.test(host), { error: hostExpected })
    .meta({ description: meaning });
const hostExpected = 'a host name or an IP address, without a scheme or a port';
const hostPattern = /^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?$/i;

/** A URL that names nothing but scheme, host and port; without a slash at its end. */
export const origin = (meaning: string) => {
  const error = 'a URL of scheme, host and port, such as https://registry.example.com:8443';
  return z
    .string({ error })
    .refine((url) => /^https?:\/\/[^/?#@\s]+\/?$/i.test(url) && URL.canParse(url), { error })
    .transform((url) => url.replace(/\/$/, ''))
    .meta({ description: meaning });
};

const networkExpected = 'an address, or a network such as 10.0.0.0/8';

/** An IP address, or a network in CIDR notation. */
export const network = z.string({ error: networkExpected }).refine(
  (text) => {
    const [address = '', length, ...more] = text.split('/');
    const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
    if (more.length > 0 || bits === -1 || address.includes('%')) return false;
    return length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= bits);
  },
  { error: networkExpected },
);

/** In an environment variable the entries are separated by commas. */
export const list = (meaning: string, entry: z.ZodString) =>
  z.array(entry, { error: 'a list' }).meta({ description: meaning });

/** Names and values; in an environment variable `name=value,name=value`. */
export const labels = (meaning: string) =>
  z
    .record(z.string(), z.string({ error: 'text' }), { error: 'names and values' })
    .meta({ description: meaning });

/** Becomes a `Secret`; the loader has resolved `file:` and `env:` before. */
export const secret = (meaning: string) =>
  z
    .string({ error: 'a secret: the value, file:/path or env:NAME' })
    .transform((value) => new Secret(value))
    .meta({ description: meaning, writeOnly: true, format: 'password' });

export const section = <Shape extends z.core.$ZodShape>(meaning: string, shape: Shape) =>
  z.strictObject(shape, { error: 'a section with keys of its own' }).meta({ description: meaning });

/** A key of harbor.yml that Shiplog does not act on: accepted whatever its value, and reported as not used. */
export const notUsed = (why: string) =>
  z
    .unknown()
    .transform((): undefined => undefined)
    .optional()
    .meta({ description: why, 'x-not-used': true });

/** A section of harbor.yml that Shiplog does not act on; its keys must still be Harbor's. */
export const notUsedSection = (why: string, keys: readonly string[], sections: z.core.$ZodShape = {}) =>
  section(why, { ...Object.fromEntries(keys.map((key) => [key, notUsed(why)])), ...sections })
    .transform((): undefined => undefined)
    .optional()
    .meta({ description: why, 'x-not-used': true });
