import type { TokenSubject } from '../../domain/access/subject.ts';
import { type AccessTokenPorts, holderOf } from './access-token.ts';
import { type AccountPorts, asUser, isUsable, type LoggedIn, secretsOf } from './login.ts';

/** Who the subject of a token is now; undefined once the account is gone or disabled, or its credential is void. */
export type FindSubject = (subject: TokenSubject) => Promise<LoggedIn | undefined>;

export type SubjectPorts = AccountPorts & Pick<AccessTokenPorts, 'findAccessToken'>;

export const subjectFinder =
  ({ findLoginUser, findRobot, findAccessToken }: SubjectPorts): FindSubject =>
  async (subject) => {
    const { kind, id, name } = subject;
    if (kind === 'access-token') {
      const token = await findAccessToken(id);
      return token && holderOf(token, await findLoginUser(name));
    }
    const current = kind === 'user' ? await findUser() : await findUsableRobot();
    return current.find(
      // The id as well: the name may have been given again to somebody else.
      ({ subject: { id, credentialVersion } }) =>
        id === subject.id && credentialVersion === subject.credentialVersion,
    );

    async function findUser() {
      const user = await findLoginUser(name);
      return user?.username === name ? [asUser(user)] : [];
    }

    async function findUsableRobot() {
      const robot = await findRobot(name);
      return robot && isUsable(robot) ? secretsOf(robot) : [];
    }
  };
