import type { TokenSubject } from '../../domain/access/subject.ts';
import { type AccountPorts, asRobot, asUser, isUsable, type LoggedIn } from './login.ts';

/** Who the subject of a token is now; undefined once the account is gone or disabled, or has another password. */
export type FindSubject = (subject: TokenSubject) => Promise<LoggedIn | undefined>;

export const subjectFinder =
  ({ findLoginUser, findRobot }: AccountPorts): FindSubject =>
  async (subject) => {
    const current =
      subject.kind === 'user' ? await findUser(subject.name) : await findUsableRobot(subject.name);
    if (current === undefined) return undefined;
    const { kind, id, name, credentialVersion } = current.subject;
    // The id as well: the name may have been given again to somebody else.
    const isSame =
      kind === subject.kind &&
      id === subject.id &&
      name === subject.name &&
      credentialVersion === subject.credentialVersion;
    return isSame ? current : undefined;

    async function findUser(name: string): Promise<LoggedIn | undefined> {
      const user = await findLoginUser(name);
      return user && asUser(user);
    }

    async function findUsableRobot(name: string): Promise<LoggedIn | undefined> {
      const robot = await findRobot(name);
      return robot && isUsable(robot) ? asRobot(robot) : undefined;
    }
  };
