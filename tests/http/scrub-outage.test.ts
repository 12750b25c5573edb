import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pushBlob, pushImage } from './client.ts';
import { startOnS3 } from './s3-server.ts';

const repository = 'library/scrubbed';

interface Report {
  readonly status: string;
  readonly blobs: number;
  readonly damages: readonly unknown[];
  readonly unreadable: readonly { readonly digest: string; readonly error: string }[];
  readonly next: string | null;
  readonly failure?: string;
}

const reportOf = (output: string): Report => JSON.parse(output.slice(output.indexOf('{'))) as Report;
const hexOf = (digest = ''): string => digest.slice('sha256:'.length);

test('a scrub of a store that fails', async (t) => {
  const run = await startOnS3(t);
  if (run === undefined) return;
  const { server, proxy } = run;
  const image = await pushImage(server, repository, '1.0');
  const pushed = [image.blob.digest];
  for (let n = 0; n < 9; n++) pushed.push((await pushBlob(server, repository, `blob ${n}`)).digest);
  // As a scrub reads them.
  const blobs = [...new Set(pushed)].sort();

  /** One run of the command while the bucket refuses the requests for whose paths `refuses` is true. */
  async function scrubWhile(refuses: (path: string) => boolean, ...args: string[]) {
    proxy.decide = (_, path) => (refuses(path) ? 'refuse' : 'pass');
    const ended = await server.run('scrub', ...args);
    proxy.decide = () => 'pass';
    return ended;
  }

  async function reportWhile(refuses: (path: string) => boolean, ...args: string[]) {
    const { code, output } = await scrubWhile(refuses, '--json', ...args);
    return { code, report: reportOf(output) };
  }

  await t.test('tells what cannot be read and passes over it, wherever it is', async () => {
    for (const digest of [blobs[0], blobs[3], blobs.at(-1), image.digest]) {
      const { code, report } = await reportWhile((path) => path.includes(hexOf(digest)));
      const { status, unreadable, damages, next } = report;
      assert.deepEqual([code, status, damages, next], [2, 'completed', [], null]);
      assert.equal(report.blobs, blobs.length);
      assert.deepEqual(
        unreadable.map((one) => one.digest),
        [digest],
      );
      assert.match(unreadable[0]?.error ?? '', /^the store failed/);
    }
    const { output } = await scrubWhile((path) => path.includes(hexOf(blobs[3])));
    assert.match(output, new RegExp(`^blob/${blobs[3]}: cannot be read: the store failed`, 'm'));
    assert.match(output, /; 0 damaged, 1 unreadable$/m);
  });

  await t.test('says where it was when the store goes away, exits with 2, and goes on there', async () => {
    const gone = blobs.slice(3).map(hexOf);
    const { code, output } = await scrubWhile((path) => gone.some((hex) => path.includes(hex)));
    assert.equal(code, 2, output);
    const place = /^could not go on: the store failed.*; go on with --after (\S+)$/m.exec(output)?.[1] ?? '';
    assert.equal(place, `blob/${blobs[2]}`, output);
    assert.doesNotMatch(output, /^ +at /m, 'no stack trace');

    const rest = await reportWhile(() => false, '--after', place);
    assert.deepEqual([rest.code, rest.report.blobs], [0, blobs.length - 3]);
  });

  await t.test('exits with 2 also where it cannot begin', async () => {
    const { code, report } = await reportWhile((path) => path.includes('sha256'));
    assert.deepEqual([code, report.status, report.next], [2, 'failed', null]);
    assert.match(report.failure ?? '', /^the store failed/);

    const refused = await scrubWhile(() => true);
    assert.equal(refused.code, 2, refused.output);
    assert.match(refused.output, /^the store failed/m);
    const misconfigured = await scrubWhile(() => false, '--config', '/nowhere.yml');
    assert.equal(misconfigured.code, 2, misconfigured.output);
  });
});
