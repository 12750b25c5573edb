/** What is personal of a user; in events it stands sealed under the user's own key. */
export interface Profile {
  readonly email: string;
  readonly realname: string;
  readonly comment: string;
}

export const noProfile: Profile = { email: '', realname: '', comment: '' };

export const writeProfile = ({ email, realname, comment }: Profile): string =>
  JSON.stringify({ email, realname, comment });

/** Empty for a person who was erased. */
export const readProfile = (text: string | undefined): Profile =>
  text === undefined ? noProfile : { ...noProfile, ...(JSON.parse(text) as Partial<Profile>) };
