import { test } from 'node:test';
import { preferencesDecider } from '../../domain/preferences/decider.ts';
import type { PreferencesEvent } from '../../domain/preferences/events.ts';
import { given } from '../given.ts';

const changed = (fingerprint: string): PreferencesEvent => ({
  type: 'PreferencesChanged',
  data: { userId: 4, fingerprint, sealed: `sealed ${fingerprint}` },
});
const change = (fingerprint: string, over?: (string | null)[]) => ({ ...changed(fingerprint).data, over });

test('the last writer wins who does not say what he has read', () => {
  given(preferencesDecider, changed('one')).when(change('two')).then(changed('two'));
});

test('who says what he has read overwrites nothing else', () => {
  given(preferencesDecider)
    .when(change('one', [null]))
    .then(changed('one'));
  given(preferencesDecider, changed('one'))
    .when(change('two', ['zero', 'one']))
    .then(changed('two'));
  for (const over of [[], [null], ['zero']])
    given(preferencesDecider, changed('one'))
      .when(change('two', over))
      .thenRefused({ kind: 'preferences-changed' });
});

test('preferences that are the same already are recorded once, whatever he has read', () => {
  given(preferencesDecider, changed('one')).when(change('one')).then();
  given(preferencesDecider, changed('one'))
    .when(change('one', [null]))
    .then();
});
