/** What an item can hold. */
export type Value = string | number | boolean;

/** One setting of the system that can be changed while it runs. */
export interface Item<Of extends Value = Value> {
  readonly kind: 'text' | 'flag' | 'number';
  readonly default: Of;
  /** A sentence. */
  readonly meaning: string;
  /** The environment variable whose value it begins with. */
  readonly variable?: string;
  /** Written and never shown. */
  readonly isSecret?: true;
  /** Not shown by the management API, nor changed by it. */
  readonly isInternal?: true;
  /** What the value would have to be; undefined for a good one. */
  faultOf(value: Of): string | undefined;
}

export interface SecretItem extends Item<string> {
  readonly isSecret: true;
}

/** More than any certificate, and little enough for an event that holds all items. */
const maxLength = 32 * 1024;

/** Neither the views nor a client can have half a character or a NUL. */
const textFault = (value: string): string | undefined =>
  value.length > maxLength || value.includes('\0') || !value.isWellFormed()
    ? `text of at most ${maxLength} characters`
    : undefined;

type Rule<Of extends Value> = (value: Of) => string | undefined;
const anything = () => undefined;

export const text = (
  meaning: string,
  variable?: string,
  rule: Rule<string> = anything,
  standard = '',
): Item<string> => ({
  kind: 'text',
  default: standard,
  meaning,
  ...(variable !== undefined && { variable }),
  faultOf: (value) => textFault(value) ?? rule(value),
});

export const secret = (meaning: string, variable?: string): SecretItem => ({
  ...text(meaning, variable),
  isSecret: true,
});

export const flag = (meaning: string, standard: boolean, variable?: string): Item<boolean> => ({
  kind: 'flag',
  default: standard,
  meaning,
  ...(variable !== undefined && { variable }),
  faultOf: anything,
});

export const number = (
  meaning: string,
  standard: number,
  variable: string | undefined,
  [min, max]: readonly [min: number, max: number],
  also: readonly number[] = [],
): Item<number> => ({
  kind: 'number',
  default: standard,
  meaning,
  ...(variable !== undefined && { variable }),
  faultOf: (value) =>
    (value >= min && value <= max) || also.includes(value)
      ? undefined
      : [...also.map(String), `a whole number from ${min} to ${max}`].join(' or '),
});

export const choice = <const Of extends string>(
  meaning: string,
  values: readonly [Of, ...Of[]],
  variable: string,
  also: Rule<Of> = anything,
): Item<Of> => ({
  kind: 'text',
  default: values[0],
  meaning,
  variable,
  faultOf: (value) => (values.includes(value) ? also(value) : `one of ${values.join(', ')}`),
});

/** A text that cannot be taken away again. */
export const notEmpty: Rule<string> = (value) => (value.trim() === '' ? 'text that is not empty' : undefined);

/** `{"name": …}` in a text, or nothing. */
export const jsonObject =
  (what: string, isGood: (value: unknown) => boolean = () => true): Rule<string> =>
  (written) => {
    if (written === '') return undefined;
    try {
      const value: unknown = JSON.parse(written);
      const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
      return isObject && Object.values(value).every(isGood) ? undefined : what;
    } catch (error) {
      if (error instanceof SyntaxError) return what;
      throw error;
    }
  };
