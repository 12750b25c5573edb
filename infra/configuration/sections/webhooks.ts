import type { z } from 'zod';
import { flag, list, network, section } from '../fields.ts';

export const webhooks = {
  webhooks: section(
    'Which addresses webhooks may be sent to; a name is judged by what it stands for when something is sent.',
    {
      allowed_addresses: list(
        'Addresses and networks (`10.0.0.0/8`) that may be asked, whatever else is said of them: also of this machine itself and of its link, which are refused otherwise.',
        network,
      ).prefault([]),
      denied_addresses: list(
        'Addresses and networks that must not be asked, unless they are among `allowed_addresses`.',
        network,
      ).prefault([]),
    },
  ).prefault({}),
  network: section('What may be asked in networks.', {
    allow_private_network_access: flag(
      'Whether webhooks may be sent to private networks (RFC 1918, RFC 4193), unless they are among `webhooks.denied_addresses`.',
    ).default(true),
  }).prefault({}),
} satisfies z.core.$ZodShape;
