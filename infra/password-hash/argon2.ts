import { hash, verify } from '@node-rs/argon2';

/** Longer passwords are refused unread: hashing them would only cost time. Bytes of UTF-8. */
export const maxPasswordBytes = 256;

/** OWASP's minimum for argon2id: 19 MiB, two passes, one lane. */
const parameters = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** argon2id in PHC string format. */
export const hashPassword = (password: string): Promise<string> => hash(password, parameters);

/** False also where the stored hash cannot be read. */
export const passwordMatches = async (passwordHash: string, password: string): Promise<boolean> => {
  if (Buffer.byteLength(password) > maxPasswordBytes) return false;
  return verify(passwordHash, password).catch(() => false);
};
