import type { Configuration } from '../infra/configuration/schema.ts';
import { privateNetworks } from '../infra/outbound/addresses.ts';
import { httpSender } from '../infra/webhook-sender/http.ts';
import type { WebhookSender } from '../infra/webhook-sender/port.ts';

/** Who sends webhooks, to where the configuration lets it. */
export function webhookSender({
  webhooks,
  network,
}: {
  readonly webhooks: Pick<Configuration['webhooks'], 'allowed_addresses' | 'denied_addresses'>;
  readonly network: Configuration['network'];
}): WebhookSender {
  const isPrivate = network.allow_private_network_access ? [] : privateNetworks;
  return httpSender({
    allowed: webhooks.allowed_addresses,
    denied: [...webhooks.denied_addresses, ...isPrivate],
  });
}
