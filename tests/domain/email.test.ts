import { test } from 'node:test';
import { emailDecider } from '../../domain/email/decider.ts';
import type { EmailEvent } from '../../domain/email/events.ts';
import { given } from '../given.ts';

const jane = { emailKey: 'key', userId: 3, username: 'jane' };
const john = { emailKey: 'key', userId: 4, username: 'john' };
const reserved: EmailEvent = { type: 'EmailReserved', data: jane };
const released: EmailEvent = { type: 'EmailReleased', data: jane };

test('an address belongs to one user', () => {
  given(emailDecider)
    .when({ do: 'reserve', ...jane })
    .then(reserved);
  given(emailDecider, reserved)
    .when({ do: 'reserve', ...john })
    .thenRefused({ kind: 'email-taken' });
});

test('who has an address reserves it again with an event, in front of which no release is decided', () => {
  given(emailDecider, reserved)
    .when({ do: 'reserve', ...jane })
    .then(reserved);
});

test('an address that was released is free, and only who has it can release it', () => {
  given(emailDecider, reserved)
    .when({ do: 'release', ...jane })
    .then(released);
  given(emailDecider, reserved)
    .when({ do: 'release', ...john })
    .then();
  given(emailDecider, reserved, released)
    .when({ do: 'reserve', ...john })
    .then({ type: 'EmailReserved', data: john });
});

test('an address that was abandoned before its user existed is free, unless it has passed on since', () => {
  given(emailDecider, reserved)
    .when({ do: 'reserve', ...john, abandonedBy: 3 })
    .then({ type: 'EmailReserved', data: john });
  given(emailDecider, reserved, { type: 'EmailReserved', data: { ...jane, userId: 5 } })
    .when({ do: 'reserve', ...john, abandonedBy: 3 })
    .thenRefused({ kind: 'email-taken' });
});
