import { createHash, timingSafeEqual } from 'node:crypto';
import { changeConfiguration, secretItemContext } from '../commands/change-configuration.ts';
import type { Recorder } from '../commands/record.ts';
import {
  overlaid,
  type Configuration as RunTimeConfiguration,
  type SecretName,
  standardConfiguration,
} from '../domain/configuration/items.ts';
import type { ConfigurationPorts } from '../gateway/api/configurations.ts';
import { tokenPath } from '../gateway/auth/challenge.ts';
import type { RunTime } from '../infra/configuration/run-time.ts';
import type { Configuration } from '../infra/configuration/schema.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import { tcpReachability } from '../infra/reachability/tcp.ts';
import type { SecretBox } from '../infra/secrets/port.ts';
import type { Views } from '../infra/views/port.ts';
import { configuration as configurationView } from '../projections/configuration/projection.ts';
import type { SetItems } from '../projections/configuration/queries.ts';

export interface ConfigurationSettings {
  readonly pinned: RunTime['pinned'];
  /** What items are that nobody has set. */
  readonly standard: RunTimeConfiguration;
  readonly internalSecret: string | undefined;
  readonly deployment: ConfigurationPorts['deployment'];
}

/** What the deployment says of the settings that can be changed at run time. */
export function configurationSettings(configuration: Configuration): ConfigurationSettings {
  const { token, robot_name_prefix, runTime, internal_secret } = configuration;
  const url = registryUrl(configuration);
  return {
    pinned: runTime.pinned,
    standard: overlaid(standardConfiguration, {
      token_expiration: token.expiration_minutes,
      robot_name_prefix,
    }),
    internalSecret: internal_secret?.reveal(),
    deployment: {
      ext_endpoint: url,
      token_service_url: `${url}${tokenPath}`,
      registry_url: url,
      database_type: 'postgresql',
      registry_storage_provider_name: storageProviderOf(configuration),
      with_trivy: false,
      robot_scanner_name_prefix: 'scanner',
      metric_enable: configuration.metric.enabled,
      metric_path: configuration.metric.path,
      trace_enabled: configuration.trace.enabled,
      cache_enabled: configuration.cache.enabled,
      cache_expire_hours: configuration.cache.expire_hours,
      quota_update_provider: 'db',
    },
  };
}

/** The address of the registry, as the configuration says. */
export const registryUrl = ({ external_url, hostname, http }: Configuration): string =>
  external_url ?? `http://${hostname}:${http.port}`;

export const storageProviderOf = ({ storage_service }: Pick<Configuration, 'storage_service'>): string =>
  storage_service.s3 === undefined ? 'filesystem' : 's3';

export interface ConfigurationEngines {
  readonly log: EventLog;
  readonly record: Recorder;
  readonly secrets: SecretBox;
  readonly views: Pick<Views, 'reached'>;
  /** What somebody has set; the same object as long as it is the same. */
  readConfiguration(): Promise<SetItems>;
  hasUsers(): Promise<boolean>;
}

/** What tells and changes the settings of the system. */
export function configurationParts(
  { log, record, secrets, views, readConfiguration, hasUsers }: ConfigurationEngines,
  { pinned, standard, internalSecret, deployment }: ConfigurationSettings,
): ConfigurationPorts {
  const known = new WeakMap<SetItems, RunTimeConfiguration>();

  function effective(set: SetItems): RunTimeConfiguration {
    const found = known.get(set) ?? overlaid(overlaid(standard, set.items), pinned?.items ?? {});
    known.set(set, found);
    return found;
  }

  async function secretItem(name: SecretName): Promise<string> {
    const fixed = pinned?.secrets[name];
    if (fixed !== undefined) return fixed;
    const sealed = (await readConfiguration()).sealed[name];
    return sealed === undefined ? '' : secrets.open(sealed, secretItemContext(name));
  }

  return {
    configuration: async () => effective(await readConfiguration()),
    secretItem,
    configurationIsPinned: pinned !== undefined,
    hasUsers,
    changeConfiguration: changeConfiguration({
      ...{ log, record, secrets, standard, hasUsers },
      ...tcpReachability,
    }),
    configurationReached: (position) => views.reached(position, [configurationView]),
    isInternalSecret: (shown) => internalSecret !== undefined && isSame(shown, internalSecret),
    deployment,
  };
}

/** In a time that tells nothing, not even the length. */
const isSame = (one: string, other: string): boolean => timingSafeEqual(digestOf(one), digestOf(other));
const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest();
