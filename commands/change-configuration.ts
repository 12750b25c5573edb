import { catalogue } from '../domain/catalogue.ts';
import { configurationDecider } from '../domain/configuration/decider.ts';
import { configurationStream } from '../domain/configuration/events.ts';
import {
  type Configuration,
  faultIn,
  overlaid,
  type SecretName,
  type Secrets,
} from '../domain/configuration/items.ts';
import type { Metadata } from '../domain/event.ts';
import { Refusal } from '../domain/refusal.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import type { Reachability } from '../infra/reachability/port.ts';
import { SealBroken, type SecretBox } from '../infra/secrets/port.ts';
import { decision, type Recorder, stateOf } from './record.ts';

export interface ChangeConfiguration {
  /** What is to be set; the rest stays. */
  readonly items: Partial<Configuration>;
  readonly secrets: Partial<Secrets>;
}

export interface ChangeConfigurationPorts extends Reachability {
  readonly log: EventLog;
  readonly record: Recorder;
  readonly secrets: Pick<SecretBox, 'seal' | 'open'>;
  /** What items are that nobody has set. */
  readonly standard: Configuration;
  /** Whether anybody but the first administrator has an account. */
  hasUsers(): Promise<boolean>;
}

/** What the sealed text of a secret item opens for. */
export const secretItemContext = (name: string): string => `configuration/${name}`;

/**
 * Resolves to the log's position. @throws Refusal `configuration-invalid`, `auth-mode-locked`, `audit-endpoint-missing`
 * or `audit-endpoint-unreachable`
 */
export const changeConfiguration =
  ({ log, record, secrets, standard, hasUsers, reaches }: ChangeConfigurationPorts) =>
  async (change: ChangeConfiguration, metadata: Metadata): Promise<bigint> => {
    const configured = await stateOf(log, catalogue, configurationStream, configurationDecider);
    const command = {
      do: 'change',
      standard,
      items: change.items,
      sealed: sealedOf(secrets, configured.sealed, change.secrets),
      hasUsers: change.items.auth_mode !== undefined && (await hasUsers()),
    } as const;
    // What is refused anyhow connects to nobody.
    configurationDecider.decide(configured, command);
    const { audit_log_forward_endpoint: before } = overlaid(standard, configured.items);
    const { audit_log_forward_endpoint: endpoint = '' } = change.items;
    if (endpoint !== '' && endpoint !== before && !(await reaches(endpoint)))
      throw new Refusal({ kind: 'audit-endpoint-unreachable', endpoint });
    return (await record(metadata, decision(configurationStream, configurationDecider, command))).position;
  };

/** Those that are others than they were, which only who can open them can tell. */
function sealedOf(
  { seal, open }: Pick<SecretBox, 'seal' | 'open'>,
  before: Readonly<Record<string, string>>,
  given: Partial<Secrets>,
): Partial<Secrets> {
  for (const [name, secret] of Object.entries(given)) {
    const expected = faultIn(name as SecretName, secret);
    if (expected !== undefined) throw new Refusal({ kind: 'configuration-invalid', item: name, expected });
  }
  const changed = Object.entries(given).filter(([name, secret]) => secret !== opened(name));
  return Object.fromEntries(changed.map(([name, secret]) => [name, seal(secret, secretItemContext(name))]));

  function opened(name: string): string | undefined {
    const sealed = before[name];
    if (sealed === undefined) return '';
    try {
      return open(sealed, secretItemContext(name));
    } catch (error) {
      // Under a secret key that is lost; setting it again is what helps.
      if (error instanceof SealBroken) return undefined;
      throw error;
    }
  }
}
