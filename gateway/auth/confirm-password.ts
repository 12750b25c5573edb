import { type LoginPorts, throttleKeyOf } from './login.ts';

/**
 * Whether `password` is that of who has logged in already and shows it once more, from `address`.
 * @throws RequestRefused 429 for who has failed too often.
 */
export type ConfirmPassword = (
  user: { readonly username: string; readonly passwordHash: string },
  password: string,
  address: string,
) => Promise<boolean>;

/** Who has found an open session guesses the password no faster than anybody else. */
export const passwordConfirmer =
  ({ throttle, passwordMatches }: Pick<LoginPorts, 'throttle' | 'passwordMatches'>): ConfirmPassword =>
  async ({ username, passwordHash }, password, address) => {
    const key = throttleKeyOf(username);
    const matches = await throttle.attempt(key, address, () => passwordMatches(passwordHash, password));
    if (!matches) await throttle.pauseAfterFailure(key, address);
    return matches;
  };
