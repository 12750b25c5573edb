import { configurationDecider } from '../domain/configuration/decider.ts';
import { configurationStream } from '../domain/configuration/events.ts';
import type { Configuration, Secrets } from '../domain/configuration/items.ts';
import type { SecretBox } from '../infra/secrets/port.ts';
import { secretItemContext } from './change-configuration.ts';
import { decision, type Recorder } from './record.ts';

export interface Seeds {
  readonly items: Partial<Configuration>;
  readonly secrets: Partial<Secrets>;
}

/**
 * Sets what the environment says, as long as nothing was ever set: whatever an administrator has changed since then
 * stays as he left it. Any number of processes may do so at once; the first one counts.
 */
export const seedConfiguration =
  ({ record, secrets: { seal } }: { readonly record: Recorder; readonly secrets: Pick<SecretBox, 'seal'> }) =>
  async ({ items, secrets }: Seeds): Promise<void> => {
    const sealed = Object.fromEntries(
      Object.entries(secrets).map(([name, secret]) => [name, seal(secret, secretItemContext(name))]),
    );
    const command = { do: 'seed', items, sealed } as const;
    await record({ actor: 'system' }, decision(configurationStream, configurationDecider, command));
  };
