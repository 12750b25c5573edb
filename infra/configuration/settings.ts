/*
 * What was written, before it is known what it means: text, wherever it comes from, and where that was. The types
 * of the schema decide how a text is read, so that a file and the environment follow the same rules.
 */

export type Origin = { readonly file: string; readonly line: number } | { readonly variable: string };

/** An origin as a message names it. */
export const nameOf = (origin: Origin): string =>
  'variable' in origin ? origin.variable : `${origin.file}, line ${origin.line}`;

export const noSettings: SectionSetting = { kind: 'section', from: { variable: '' }, keys: new Map() };

export type Setting =
  | { readonly kind: 'text'; readonly from: Origin; readonly text: string }
  | { readonly kind: 'list'; readonly from: Origin; readonly entries: readonly Setting[] }
  | SectionSetting;

export interface SectionSetting {
  readonly kind: 'section';
  readonly from: Origin;
  readonly keys: ReadonlyMap<string, Setting>;
}

/** `over` where it says something, `under` elsewhere; sections are merged, lists are replaced. */
export function merge(under: SectionSetting, over: SectionSetting): SectionSetting {
  const keys = new Map(under.keys);
  for (const [key, setting] of over.keys) {
    const beneath = keys.get(key);
    const both = setting.kind === 'section' && beneath?.kind === 'section';
    keys.set(key, both ? merge(beneath, setting) : setting);
  }
  return { kind: 'section', from: under.from, keys };
}

/** The setting at `path`, and the origin of it or else of the nearest section above it. */
export function find(
  root: SectionSetting,
  path: readonly PropertyKey[],
): { readonly setting: Setting | undefined; readonly above: Origin | undefined } {
  let setting: Setting | undefined = root;
  let above: Origin | undefined;
  for (const step of path) {
    // The entries of a list that a variable holds are one text.
    if (setting?.kind === 'text') break;
    if (setting?.kind === 'section') setting = setting.keys.get(String(step));
    else setting = setting?.entries[Number(step)];
    if (setting === undefined) break;
    above = setting.from;
  }
  return { setting, above };
}
