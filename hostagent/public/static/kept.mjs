// The pass that this phone keeps: nowhere else is it stored.
const KEY = "stallmark-pass";

export const kept = () => {
  try {
    return JSON.parse(localStorage.getItem(KEY));
  } catch {
    return null;
  }
};
export const keep = (pass) => localStorage.setItem(KEY, JSON.stringify(pass));
export const drop = () => localStorage.removeItem(KEY);
