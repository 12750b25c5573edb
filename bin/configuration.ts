import { configurationJsonSchema } from '../infra/configuration/describe.ts';
import { ConfigurationError } from '../infra/configuration/faults.ts';
import { loadConfiguration } from '../infra/configuration/load.ts';
import type { Configuration } from '../infra/configuration/schema.ts';

/** The configuration; where it is wrong, prints every fault and ends the process with `failureCode`. */
export async function requireConfiguration(
  file: string | undefined,
  failureCode = 1,
): Promise<Configuration> {
  try {
    return await loadConfiguration({ file, environment: process.env });
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    console.error(error.message);
    process.exit(failureCode);
  }
}

export async function checkConfiguration(file: string | undefined): Promise<void> {
  const { unused } = await requireConfiguration(file);
  for (const key of unused) console.log(`${key}: accepted, but nothing uses it`);
  console.log('The configuration is valid.');
}

export function printConfigurationSchema(): void {
  console.log(JSON.stringify(configurationJsonSchema(), null, 2));
}
