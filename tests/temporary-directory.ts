import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

const directories: string[] = [];

// The runner calls the `after`s of a test in the order in which they were given, and none behind one that fails: a
// directory that went with its test would be taken from under what the test has started in it.
after(async () => {
  for (const directory of directories) await rm(directory, { recursive: true, force: true, maxRetries: 5 });
});

/** A fresh directory, which goes when all tests of the file are over. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'shiplog-test-')));
  directories.push(directory);
  return directory;
}
