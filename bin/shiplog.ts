#!/usr/bin/env node
import { Command } from 'commander';
import { checkConfiguration, printConfigurationSchema } from './configuration.ts';
import { replay, verify } from './rebuild.ts';
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
