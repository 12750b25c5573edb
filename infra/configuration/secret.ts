import { readFile } from 'node:fs/promises';
import { inspect } from 'node:util';

const printed = '[secret]';

/** A password, key or token. However it is printed, logged or serialised, what shows is `[secret]`. */
export class Secret {
  readonly #value: string;
  constructor(value: string) {
    this.#value = value;
  }
  /** The value itself, for the one call that needs it; never for a message or a log. */
  reveal(): string {
    return this.#value;
  }
  toString(): string {
    return printed;
  }
  toJSON(): string {
    return printed;
  }
  [inspect.custom](): string {
    return printed;
  }
}

/**
 * Resolves what follows `<scheme>:` in a secret's value. Rejects with what is wrong, in words that go after
 * "found": `a file that cannot be read: ENOENT`.
 */
export type SecretSource = (reference: string) => Promise<string>;

/** A secret's reference cannot be resolved; the message says what was found, without any secret. */
export class SecretNotFound extends Error {
  override readonly name = 'SecretNotFound';
}

/** Where secrets can come from besides the value itself. A vault is one more entry. */
export const standardSecretSources = (environment: NodeJS.ProcessEnv): Record<string, SecretSource> => ({
  async file(path) {
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw new SecretNotFound(`the file ${path}, which cannot be read (${error.code})`, { cause: error });
    });
    // Editors and `echo` end a file with one newline, which is no part of the secret; others may be.
    return text.replace(/\r?\n$/, '');
  },
  async env(name) {
    const value = environment[name];
    if (value === undefined) throw new SecretNotFound(`the environment variable ${name}, which is not set`);
    return value;
  },
});

/**
 * The secret that `text` holds or refers to (`file:/path`, `env:NAME`); a prefix that is not among `sources` is
 * part of the secret.
 * @throws SecretNotFound
 */
export async function resolveSecret(text: string, sources: Record<string, SecretSource>): Promise<string> {
  const colon = text.indexOf(':');
  const scheme = text.slice(0, Math.max(colon, 0));
  const source = Object.hasOwn(sources, scheme) ? sources[scheme] : undefined;
  if (source === undefined) return text;
  const value = await source(text.slice(colon + 1));
  if (value === '') throw new SecretNotFound(`${text}, which is empty`);
  return value;
}
