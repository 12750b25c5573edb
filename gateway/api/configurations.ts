import type { FastifyInstance } from 'fastify';
import type { changeConfiguration } from '../../commands/change-configuration.ts';
import {
  type Configuration,
  isSecret,
  itemNames,
  type SecretName,
} from '../../domain/configuration/items.ts';
import type { Value } from '../../domain/configuration/kinds.ts';
import type { Access } from './access.ts';
import { nothing, shows } from './answer-forms.ts';
import {
  configurationsAnswer,
  configurationsForm,
  internalAnswer,
  readChange,
  shownItems,
} from './configuration-form.ts';
import { forbidden, unauthorized } from './faults.ts';
import { operation } from './operation.ts';

export interface ConfigurationPorts {
  /** What the settings of the system are now. */
  configuration(): Promise<Configuration>;
  /** What a secret setting is now; empty for none. @throws SealBroken under another secret key */
  secretItem(name: SecretName): Promise<string>;
  /** Whether the deployment says what all settings are, so that nobody changes any. */
  readonly configurationIsPinned: boolean;
  /** Whether anybody but the first administrator has an account. */
  hasUsers(): Promise<boolean>;
  readonly changeConfiguration: ReturnType<typeof changeConfiguration>;
  /** Resolves when `configuration` shows the position. */
  configurationReached(position: bigint): Promise<void>;
  /** Whether this is the secret of internal components; never where none is configured. */
  isInternalSecret(shown: string): boolean;
  /** Harbor's settings of the deployment, as far as Shiplog has them. */
  readonly deployment: Readonly<Record<string, Value>>;
}

/** Harbor's `configure` operations. */
export function configurationRoutes(api: FastifyInstance, ports: ConfigurationPorts, access: Access): void {
  const { configuration, configurationIsPinned: isPinned } = ports;

  async function items() {
    const [values, hasUsers] = await Promise.all([configuration(), ports.hasUsers()]);
    return shownItems(values, (name) => !isPinned && !(name === 'auth_mode' && hasUsers));
  }

  operation(
    api,
    {
      id: 'getConfigurations',
      tag: 'configure',
      method: 'GET',
      path: '/configurations',
      summary: 'The settings of the system, save its secrets.',
      answer: shows(configurationsAnswer),
    },
    async ({ request }) => {
      await access.inSystem(request, 'configuration:read');
      return { ...(await items()), scan_all_policy: {} };
    },
  );

  operation(
    api,
    {
      id: 'updateConfigurations',
      tag: 'configure',
      method: 'PUT',
      path: '/configurations',
      summary: 'Changes settings of the system; those that are not named stay as they are.',
      body: configurationsForm,
      answer: nothing,
    },
    async ({ request, body }) => {
      const { metadata } = await access.inSystem(request, 'configuration:update');
      if (isPinned) throw forbidden('the configuration is that of CONFIG_OVERWRITE_JSON');
      const change = readChange(await body());
      await ports.configurationReached(await ports.changeConfiguration(change, metadata));
    },
  );

  operation(
    api,
    {
      id: 'getInternalconfig',
      tag: 'configure',
      method: 'GET',
      path: '/internalconfig',
      summary:
        'All settings and secrets, for internal components: `Authorization: Harbor-Secret <internal_secret>`.',
      answer: shows(internalAnswer),
    },
    async ({ request }) => {
      const [, shown] = /^harbor-secret +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
      if (shown === undefined || !ports.isInternalSecret(shown)) throw unauthorized();
      const [values, secrets] = await Promise.all([configuration(), openSecrets()]);
      const all: Readonly<Record<string, Value>> = { ...ports.deployment, ...values, ...secrets };
      return Object.fromEntries(
        Object.entries(all).map(([name, value]) => [
          name,
          { value, editable: !isPinned && !(name in ports.deployment) },
        ]),
      );
    },
  );

  async function openSecrets(): Promise<Readonly<Record<string, string>>> {
    const names = itemNames.filter(isSecret);
    return Object.fromEntries(
      await Promise.all(names.map(async (name) => [name, await ports.secretItem(name)] as const)),
    );
  }
}
