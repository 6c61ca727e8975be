/** Whether PostgreSQL can keep a text: it has no place for NUL or half a surrogate. */
export const isStorable = (text: string): boolean => !text.includes('\0') && text.isWellFormed()
