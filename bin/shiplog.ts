#!/usr/bin/env node
import { Command, InvalidArgumentError } from 'commander';
import { checkConfiguration, printConfigurationSchema } from './configuration.ts';
import { type GcOptions, gc } from './gc.ts';
import { explainQuota } from './quota.ts';
import { replay, verify } from './rebuild.ts';
import { type ScrubOptions, scrubStore } from './scrub.ts';
import { serve } from './serve.ts';
import { status } from './status.ts';
import { rotateTokenKeys } from './token-keys.ts';
import { version } from './version.ts';

const shiplog = new Command('shiplog')
  .description('A container and artifact registry in which every change is an event.')
  .version(version)
  .option('-c, --config <file>', 'configuration file (YAML); SHIPLOG_… variables override it')
  .showHelpAfterError();

const file = (): string | undefined => shiplog.opts<{ config?: string }>().config;
function hours(text: string): number {
  const value = Number(text);
  if (text === '' || !Number.isFinite(value) || value < 0) throw new InvalidArgumentError('hours, 0 or more');
  return value;
}
function orphanHours(text: string): number {
  const value = hours(text);
  if (value > 0 && value < 1) throw new InvalidArgumentError('hours, 1 or more; 0 where nobody pushes');
  return value;
}
function workers(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > 64) throw new InvalidArgumentError('1 to 64');
  return value;
}
function mebibytes(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError('MiB a second, more than 0');
  return value;
}
const collect = (name: string, names: string[]): string[] => [...names, name];

shiplog
  .command('serve')
  .description('run the registry')
  .action(() => serve(file()));

shiplog
  .command('status')
  .description('show the event log’s head and how far each projection is')
  .option('--json', 'for programs')
  .action((options: { json?: boolean }) => status(file(), options));

shiplog
  .command('replay')
  .description('rebuild views from the event log alone, also while the registry serves')
  .option('-p, --projection <name>', 'only this one; may be repeated', collect, [])
  .action((options: { projection: string[] }) => replay(file(), options.projection));

shiplog
  .command('verify')
  .description('rebuild views beside those that serve and compare the rows; exit 1 on a difference')
  .option('-p, --projection <name>', 'only this one; may be repeated', collect, [])
  .action((options: { projection: string[] }) => verify(file(), options.projection));

shiplog
  .command('token-keys')
  .description('the keys that sign the tokens of clients')
  .command('rotate')
  .description('sign with a new key, also while the registry serves')
  .option('--revoke', 'accept no token that an earlier key has signed')
  .action((options: { revoke?: boolean }) => rotateTokenKeys(file(), options));

shiplog
  .command('gc')
  .description('collect garbage, also while the registry serves; see garbage_collection in the configuration')
  .option('--dry-run', 'say what would be done, and do nothing')
  .option('--untagged', 'also manifests that nothing keeps')
  .option('--grace <hours>', 'instead of grace_hours and untagged_grace_hours', hours)
  .option('--delay <hours>', 'instead of delay_hours', hours)
  .option('--orphans <hours>', 'instead of orphan_hours', orphanHours)
  .option('--workers <number>', 'how many condemnations and removals are under way at once, 1 to 64', workers)
  .action((options: GcOptions) => gc(file(), options));

shiplog
  .command('scrub')
  .description('read all that is stored and compare it with its digests; exit 1 when something is damaged')
  .option('--rate <MiB/s>', 'how much is read at most', mebibytes, 50)
  .option('--after <place>', 'go on where an earlier scrub says that it was')
  .option('--json', 'for programs')
  .action((options: ScrubOptions) => scrubStore(file(), options));

shiplog
  .command('quota')
  .description('what projects may hold')
  .command('explain')
  .argument('<project>')
  .description('every byte of a project by repository and reason; exit 1 when the log says otherwise')
  .option('--json', 'for programs')
  .action((project: string, options: { json?: boolean }) => explainQuota(file(), project, options));

const configuration = shiplog.command('config').description('check and describe the configuration');
configuration
  .command('check')
  .description('exit 1 and list every fault, if there is one')
  .action(() => checkConfiguration(file()));
configuration
  .command('schema')
  .description('print the JSON Schema of the configuration file')
  .action(printConfigurationSchema);

await shiplog.parseAsync();
