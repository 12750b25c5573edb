import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { parse } from 'yaml';

/** What `.ci/install-tools` builds it as. */
export const suite = 'oci-conformance';

export interface ConformanceRun {
  /** `127.0.0.1:<port>` */
  readonly registry: string;
  /** Two repositories, between which it mounts blobs. */
  readonly repositories: readonly [string, string];
  /** Anonymous without them. */
  readonly user?: { readonly username: string; readonly password: string };
  /** Whether it keeps a token for further requests, or asks for one each time. */
  readonly cacheAuth?: boolean;
}

interface Conformance {
  /** How many checks ended how, in the words of the suite: `Pass`, `FAIL`, `Error`, `Skip`, `Disabled`, `Total`. */
  readonly counts: Readonly<Record<string, number>>;
  /** The parts of the API and the kinds of content that did not pass, with how they ended. */
  readonly notPassed: Readonly<Record<string, string>>;
  /** The checks that did not pass, each with what the suite says of it. */
  readonly faults: readonly string[];
}

/** The second run meets what the first has deleted. */
export async function passesTwice(t: TestContext, program: string, run: ConformanceRun): Promise<void> {
  for (const time of ['first', 'second']) {
    await t.test(`the ${time} time`, async () => {
      const { counts, notPassed, faults } = await runConformance(program, run);
      const told = `${JSON.stringify(counts)}\n${faults.slice(0, 20).join('\n')}`;
      assert.deepEqual(faults, [], told);
      assert.deepEqual(notPassed, { 'Sparse Manifests': 'Disabled' });
      assert.equal(counts.Pass, counts.Total, told);
      // Fewer than it has by default would mean that it was told less than it was meant to be.
      assert.ok((counts.Total ?? 0) >= 980, told);
    });
  }
}

/**
 * Runs the conformance suite of the distribution-spec as strictly as it can be told to: its version `dev` checks what
 * the spec's main branch asks for. Left off, as by default, are manifests whose parts are missing (`OCI_DATA_SPARSE`),
 * which a registry may refuse, as this one does.
 */
async function runConformance(program: string, run: ConformanceRun): Promise<Conformance> {
  const results = await mkdtemp(join(tmpdir(), 'shiplog-conformance-'));
  try {
    const child = spawn(program, {
      cwd: results,
      env: {
        OCI_VERSION: 'dev',
        OCI_REGISTRY: run.registry,
        OCI_TLS: 'disabled',
        OCI_REPO1: run.repositories[0],
        OCI_REPO2: run.repositories[1],
        OCI_USERNAME: run.user?.username ?? '',
        OCI_PASSWORD: run.user?.password ?? '',
        OCI_CACHE_AUTH: String(run.cacheAuth ?? true),
        OCI_RESULTS_DIR: results,
        // What it has found is in the reports; this is for a run that cannot begin.
        OCI_LOG: 'error',
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    // Its exit code is left aside: it is 0 also for a run that did not begin. What counts is in its reports.
    await once(child, 'close');
    const { apis, data } = parse(await readFile(join(results, 'results.yaml'), 'utf8')) as {
      apis: Record<string, string>;
      data: Record<string, string>;
    };
    const notPassed = Object.entries({ ...apis, ...data }).filter(([, status]) => status !== 'Pass');
    return { counts: countsIn(output), notPassed: Object.fromEntries(notPassed), faults: faultsIn(output) };
  } finally {
    await rm(results, { recursive: true, force: true });
  }
}

/** From lines such as `  Skip..........................:         10`. */
const countsIn = (output: string): Record<string, number> =>
  Object.fromEntries(
    [...output.matchAll(/^ {2}(\w+)\.+: +(\d+)$/gm)].map(([, status, count]) => [status, Number(count)]),
  );

/** From a tree of lines `<check>: <status>`; a check that has no others below it says what it has seen under it. */
const faultsIn = (output: string): string[] =>
  (output.split('\nConfiguration:')[0] ?? '')
    .split(/\n(?= *OCI Conformance Test)/)
    .map((entry) => entry.trim())
    .filter((entry) => /\n +- /.test(entry));
