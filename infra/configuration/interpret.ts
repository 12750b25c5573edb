import { z } from 'zod';
import { essence, isSecret, keysOf } from './keys.ts';
import type { Origin, Setting } from './settings.ts';

type Schema = z.core.$ZodType;

/** A secret as it was written, and how to put its value in the place of that. */
export interface WrittenSecret {
  readonly path: readonly string[];
  readonly from: Origin;
  readonly text: string;
  readonly replace: (value: string) => void;
}

/**
 * `setting` as the types of `schema` read it. What they cannot read stays as it was written, and what `schema` does
 * not know stays too, for the schema itself to refuse.
 */
export function interpret(
  schema: Schema,
  setting: Setting,
  path: readonly string[] = [],
): { value: unknown; secrets: WrittenSecret[] } {
  const secrets: WrittenSecret[] = [];
  const within = (of: Schema, child: Setting, key: string) => {
    const { value, secrets: more } = interpret(of, child, [...path, key]);
    secrets.push(...more);
    return value;
  };

  if (setting.kind === 'text') return { value: read(essence(schema), setting.text), secrets };

  if (setting.kind === 'list') {
    const type = essence(schema);
    const element = type instanceof z.ZodArray ? type.element : z.string();
    return { value: setting.entries.map((entry, index) => within(element, entry, String(index))), secrets };
  }

  const keys = keysOf(schema) ?? {};
  // Without a prototype, so that no key of a file is anything but a key.
  const section: Record<string, unknown> = Object.create(null);
  for (const [key, child] of setting.keys) {
    const of = Object.hasOwn(keys, key) ? (keys[key] as Schema) : z.string();
    section[key] = within(of, child, key);
    if (child.kind !== 'text' || !isSecret(of)) continue;
    const replace = (value: string) => {
      section[key] = value;
    };
    secrets.push({ path: [...path, key], from: child.from, text: child.text, replace });
  }
  return { value: section, secrets };
}

function read(type: Schema, text: string): unknown {
  if (type instanceof z.ZodNumber) return /^[+-]?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
  if (type instanceof z.ZodBoolean) return booleans[text.toLowerCase()] ?? text;
  if (type instanceof z.ZodEnum) return text.toLowerCase();
  if (type instanceof z.ZodArray) return parts(text);
  if (type instanceof z.ZodRecord)
    return text.includes('=') ? Object.fromEntries(parts(text).map(pair)) : text;
  return text;
}

/** Those of YAML 1.1, which is what Harbor reads its file as. */
const booleans: Record<string, boolean> = {
  true: true,
  yes: true,
  on: true,
  false: false,
  no: false,
  off: false,
};

const parts = (text: string): string[] =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');

function pair(text: string): [string, string] {
  const equals = text.indexOf('=');
  return equals === -1 ? [text, ''] : [text.slice(0, equals), text.slice(equals + 1)];
}
