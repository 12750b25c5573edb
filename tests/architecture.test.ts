import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { importsOf, violationsIn } from './imports.ts';

const root = new URL('..', import.meta.url).pathname;
const folders = ['bin', 'commands', 'domain', 'gateway', 'infra', 'projections', 'tests', 'workers'];

async function modules(): Promise<{ file: string; source: string }[]> {
  const found = await Promise.all(
    folders.map((folder) =>
      readdir(join(root, folder), { recursive: true, withFileTypes: true }).catch(
        (error: NodeJS.ErrnoException) => {
          // A folder comes with its first file.
          if (error.code === 'ENOENT') return [];
          throw error;
        },
      ),
    ),
  );
  const files = found
    .flat()
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map(({ parentPath, name }) => relative(root, join(parentPath, name)));
  return Promise.all(files.map(async (file) => ({ file, source: await readFile(join(root, file), 'utf8') })));
}

test('every module imports only what its folder may import', async () => {
  const all = await modules();
  for (const folder of folders.filter((name) => name !== 'workers')) {
    assert.ok(
      all.some(({ file }) => file.startsWith(`${folder}/`)),
      `the check sees no module in ${folder}/`,
    );
  }
  assert.deepEqual(
    all.flatMap(({ file, source }) => violationsIn(file, source)),
    [],
  );
});

test('every relative import leads to a module that the check has seen', async () => {
  const all = await modules();
  const known = new Set(all.map(({ file }) => file));
  // This file and the next one hold samples of imports that lead nowhere.
  const samples = new Set(['tests/architecture.test.ts', 'tests/imports.ts']);
  const lost = all
    .filter(({ file }) => !samples.has(file))
    .flatMap(({ file, source }) =>
      importsOf(file, source)
        .filter(({ path }) => path !== undefined && !known.has(path))
        .map(({ specifier }) => `${file}: ${specifier}`),
    );
  assert.deepEqual(lost, []);
});

const violations: readonly [rule: string, file: string, source: string][] = [
  ['domain imports infra', 'domain/tag/decider.ts', "import { x } from '../../infra/event-log/port.ts';"],
  ['domain imports a type of infra', 'domain/a.ts', "import type { X } from '../infra/event-log/port.ts';"],
  ['domain imports commands', 'domain/a.ts', "import { x } from '../commands/record.ts';"],
  ['domain imports a clock', 'domain/a.ts', "import { setTimeout } from 'node:timers/promises';"],
  ['domain imports randomness', 'domain/a.ts', "import { randomUUID } from 'node:crypto';"],
  ['domain imports a package', 'domain/a.ts', "import { v7 } from 'uuid';"],
  ['commands import an adapter', 'commands/a.ts', "import { open } from '../infra/event-log/postgres.ts';"],
  ['commands import the gateway', 'commands/a.ts', "import { createApp } from '../gateway/app.ts';"],
  ['commands import a projection', 'commands/a.ts', "import { tags } from '../projections/tags/queries.ts';"],
  ['commands import files', 'commands/a.ts', "import { open } from 'node:fs/promises';"],
  ['commands import a package', 'commands/a.ts', "import pg from 'pg';"],
  [
    'a projection imports an adapter',
    'projections/a.ts',
    "import { o } from '../infra/event-log/postgres.ts';",
  ],
  ['a projection imports a command', 'projections/a.ts', "import { o } from '../commands/record.ts';"],
  ['a projection imports a clock', 'projections/a.ts', "import { hrtime } from 'node:process';"],
  ['the gateway imports an adapter', 'gateway/oci/a.ts', "import { s } from '../../infra/blob-store/s3.ts';"],
  ['the gateway imports a worker', 'gateway/a.ts', "import { run } from '../workers/run.ts';"],
  ['the gateway imports the root', 'gateway/a.ts', "import { serve } from '../bin/serve.ts';"],
  ['a worker imports the gateway', 'workers/a.ts', "import { createApp } from '../gateway/app.ts';"],
  ['a worker imports an adapter', 'workers/a.ts', "import { s } from '../infra/blob-store/filesystem.ts';"],
  ['infra imports commands', 'infra/views/a.ts', "import { r } from '../../commands/record.ts';"],
  ['infra imports the root', 'infra/a/b.ts', "import { version } from '../../bin/version.ts';"],
  ['infra imports a test', 'infra/a/b.ts', "import { until } from '../../tests/until.ts';"],
  ['a module leaves through a re-export', 'domain/a.ts', "export { x } from '../infra/a/port.ts';"],
  ['a module leaves through export *', 'domain/a.ts', "export * from '../infra/a/port.ts';"],
  ['a module leaves through a bare import', 'domain/a.ts', "import '../infra/a/port.ts';"],
  ['a module leaves through import()', 'domain/a.ts', "const x = await import('../infra/a/port.ts');"],
  ['a module hides what it imports', 'domain/a.ts', 'const x = await import(name);'],
  ['a module hides it in a template', 'infra/a/b.ts', `const x = await import(\`../../\${'bin'}/x.ts\`);`],
  ['a module leaves through a type', 'domain/a.ts', "type X = import('../infra/a/port.ts').X;"],
  ['a module leaves through require', 'domain/a.ts', "const fs = require('node:fs');"],
  ['a name is like a port', 'gateway/a.ts', "import { x } from '../infra/event-log/transport.ts';"],
  ['an import is broken into lines', 'domain/a.ts', "import {\n  a,\n  b,\n} from '../infra/a/port.ts';"],
  ['an import follows another', 'domain/a.ts', "import { z } from 'zod';\nimport { x } from '../bin/x.ts';"],
  ['an absolute path', 'domain/a.ts', "import { x } from '/etc/x.ts';"],
  ['a path climbs out and back', 'domain/a.ts', "import { x } from '../domain/../bin/x.ts';"],
  ['a folder is new', 'helpers/a.ts', ''],
];

for (const [name, file, source] of violations) {
  test(`the check sees when ${name}`, () => {
    assert.equal(violationsIn(file, source).length, 1);
  });
}

const allowed: readonly [file: string, source: string][] = [
  ['domain/tag/decider.ts', "import { z } from 'zod';\nimport type { Digest } from '../digest.ts';"],
  ['commands/a.ts', "import { setTimeout as sleep } from 'node:timers/promises';"],
  ['commands/a.ts', "import { type EventLog } from '../infra/event-log/port.ts';"],
  ['projections/tags/queries.ts', "import type { Kysely } from 'kysely';"],
  ['projections/tags/projection.ts', "import { p } from '../../infra/database/projection.ts';"],
  ['gateway/oci/a.ts', "import Fastify from 'fastify';\nimport { x } from '../../infra/views/port.ts';"],
  ['workers/a.ts', "import { record } from '../commands/record.ts';"],
  ['infra/a/b.ts', "import { x } from '../event-log/postgres.ts';\nimport { y } from '@scope/name/part';"],
  ['bin/shiplog.ts', "import { x } from '../infra/event-log/postgres.ts';"],
  ['tests/x.test.ts', "import { x } from '../bin/serve.ts';"],
  [
    'domain/a.ts',
    "// import { x } from '../bin/x.ts';\n/**\n * import('../bin/x.ts')\n */\nconst important = from;",
  ],
];

for (const [file, source] of allowed) {
  test(`the check lets ${file} have ${JSON.stringify(source.split('\n').at(-1))}`, () => {
    assert.deepEqual(violationsIn(file, source), []);
  });
}

/** The statements of a module's top level, as the formatter leaves them. */
const statementsOf = (source: string): string[] => source.split(/\n(?=[^\s})\]])/);

/** Statements of a file of tests that wait although tests are declared before them. */
function lateWaitsIn(source: string): string[] {
  const statements = statementsOf(source);
  const first = statements.findIndex((statement) => /^(?:test\(|for [\s\S]*\btest\()/.test(statement));
  if (first === -1) return [];
  return statements
    .slice(first + 1)
    .filter((statement) => /^(?:const|let|await)\b/.test(statement))
    .filter((statement) => /\bawait\b/.test(statement) && !/\basync\b/.test(statement));
}

// Node's runner takes a file for ended when all tests that it has heard of are over, and stops the file's server then.
test('no file of tests waits for anything after its first test is declared', async () => {
  const all = await modules();
  // This file holds samples of such waits.
  const tests = all.filter(({ file }) => file.endsWith('.test.ts') && file !== 'tests/architecture.test.ts');
  assert.deepEqual(
    tests.flatMap(({ file, source }) => lateWaitsIn(source).map((statement) => `${file}: ${statement}`)),
    [],
  );
});

test('the check sees a wait after a test, and no other', () => {
  const late = 'const a = {\n  b: await c(),\n};';
  assert.deepEqual(
    lateWaitsIn(`const s = await start();\ntest('x', async () => {\n  await y();\n});\n${late}`),
    [late],
  );
  assert.deepEqual(lateWaitsIn(`for (const a of b) {\n  test(a, y);\n}\n${late}`), [late]);
  assert.deepEqual(lateWaitsIn(`test('x', y);\nconst z = async () => {\n  await y();\n};`), []);
});
