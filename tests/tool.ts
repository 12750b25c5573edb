import { accessSync, constants, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';

/** Where `.ci/install-tools` puts the programs that it builds. */
export const toolsDirectory = process.env.SHIPLOG_TOOLS ?? join(homedir(), '.cache', 'shiplog', 'tools');

/** The path of the program `name` in the tools' folder or on the PATH. */
export const findTool = (name: string): string | undefined => findTools(name)[0];

/** The paths of all programs `name`, the one in the tools' folder first; the same file under two paths is one. */
export function findTools(name: string): string[] {
  // Debian installs servers where the PATH of a user does not look.
  const folders = [toolsDirectory, ...(process.env.PATH ?? '').split(delimiter), '/usr/sbin'];
  const programs = folders.map((folder) => join(folder, name)).filter(isExecutable);
  return [
    ...new Map(programs.toReversed().map((program) => [realpathSync(program), program])).values(),
  ].toReversed();
}

export interface ToolOptions {
  /** Why `.ci/install-tools` may not have been able to install it, which makes it no failure under CI either. */
  readonly mayBeMissing?: string;
}

/**
 * The path of the program `name`. Without it the test is skipped with the reason and the answer is undefined; under
 * CI, where everything must be there but what `mayBeMissing`, the test fails.
 */
export function requireTool(
  t: TestContext,
  name: string,
  { mayBeMissing }: ToolOptions = {},
): string | undefined {
  const path = findTool(name);
  if (path !== undefined) return path;
  const reason = `${name} is not on this machine; ${mayBeMissing ?? '.ci/install-tools installs it'}`;
  if (process.env.CI && mayBeMissing === undefined) throw new Error(reason);
  t.skip(reason);
  return undefined;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
