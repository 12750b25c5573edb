import { posix } from 'node:path';

/** One import of a module: what it names, where that leads in the project, or undefined for a package. */
export interface Import {
  readonly specifier: string;
  /** The path from the project's root, undefined for a package or a builtin of Node. */
  readonly path: string | undefined;
}

/** Statements stand at the start of a line, as the formatter leaves them. `import type` counts like any other. */
const statements = [
  /^(?:import|export)\b[^'"`;]*?\bfrom\s*(['"])(?<specifier>[^'"]+)\1/gm,
  /^import\s*(['"])(?<specifier>[^'"]+)\1/gm,
  /\bimport\s*\(\s*(['"`])(?<specifier>[^'"`]+)\1/g,
  /\bimport\.meta\.resolve\s*\(\s*(['"`])(?<specifier>[^'"`]+)\1/g,
  /\brequire\s*\(\s*(['"`])(?<specifier>[^'"`]+)\1/g,
];
/** An import whose target only the run knows. */
const computed = /\bimport\s*\((?!\s*['"`][^'"`$]+['"`])/g;

/** What the module at `file` (from the project's root) with the text `source` imports, type imports included. */
export function importsOf(file: string, source: string): Import[] {
  const code = withoutComments(source);
  const literal = statements.flatMap((statement) =>
    [...code.matchAll(statement)].map(({ groups }) => groups?.specifier ?? ''),
  );
  const hidden = [...code.matchAll(computed)].map(() => '(computed)');
  return [...literal, ...hidden].map((specifier) => ({ specifier, path: resolve(file, specifier) }));
}

function resolve(file: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) return posix.join(posix.dirname(file), specifier);
  // Neither is written in the project, so neither may hide where it leads.
  if (specifier.startsWith('/') || specifier.startsWith('file:')) return specifier;
  return undefined;
}

/** Comments that fill lines of their own, where prose may look like a statement. */
const withoutComments = (source: string): string =>
  source.replace(/^\s*\/\*[\s\S]*?\*\//gm, '').replace(/^\s*\/\/.*$/gm, '');

interface Rule {
  /** Files and folders of the project, folders with a slash at the end. */
  readonly inside: readonly (string | RegExp)[];
  readonly packages: readonly string[] | 'any';
  readonly builtins: readonly string[] | 'any';
}

const port = /^infra\/(?:[^/]+\/)*port\.ts$/;
const web = {
  inside: ['commands/', 'projections/', 'domain/', port],
  packages: 'any',
  builtins: 'any',
} as const;

/** Who may import what, by the first folder of who imports. */
const rules: Readonly<Record<string, Rule>> = {
  domain: { inside: ['domain/'], packages: ['zod'], builtins: [] },
  commands: { inside: ['commands/', 'domain/', port], packages: [], builtins: ['node:timers/promises'] },
  projections: {
    inside: ['projections/', 'domain/', 'infra/database/projection.ts', 'infra/database/cached-question.ts'],
    packages: ['kysely'],
    builtins: [],
  },
  gateway: { ...web, inside: ['gateway/', ...web.inside] },
  workers: { ...web, inside: ['workers/', ...web.inside] },
  infra: { inside: ['infra/', 'domain/'], packages: 'any', builtins: 'any' },
};
/** The composition root and the tests put everything together. */
const unbound = new Set(['bin', 'tests']);

/** The imports of a module that go against the rule, each as a sentence. */
export function violationsIn(file: string, source: string): string[] {
  const [folder = ''] = file.split('/');
  if (unbound.has(folder)) return [];
  const rule = rules[folder];
  if (rule === undefined) return [`${file} is in no folder that the rule knows`];
  return importsOf(file, source)
    .filter((imported) => !isAllowed(rule, imported))
    .map(({ specifier }) => `${file} may not import ${specifier}`);
}

function isAllowed({ inside, packages, builtins }: Rule, { specifier, path }: Import): boolean {
  if (specifier === '(computed)') return false;
  if (path !== undefined) {
    return inside.some((allowed) =>
      typeof allowed !== 'string'
        ? allowed.test(path)
        : allowed.endsWith('/')
          ? path.startsWith(allowed)
          : path === allowed,
    );
  }
  const allowed = specifier.startsWith('node:') ? builtins : packages;
  const name = specifier.startsWith('node:') ? specifier : packageOf(specifier);
  return allowed === 'any' || allowed.includes(name);
}

/** `@scope/name/part` is of the package `@scope/name`. */
const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
