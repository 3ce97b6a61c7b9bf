const number = new Intl.NumberFormat();
const oneDigit = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const dateTime = new Intl.DateTimeFormat(undefined, {
  year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
});

export const count = (value) => number.format(value);
export const decimal = (value) => oneDigit.format(value);
export const when = (text) => dateTime.format(new Date(text));
export const percent = (share) => (share === null ? "–" : oneDigit.format(share * 100) + " %");

/// Milliseconds as a person says them.
export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 1000) return oneDigit.format(ms) + " ms";
  const seconds = ms / 1000;
  if (seconds < 60) return oneDigit.format(seconds) + " s";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  if (seconds < 86400 * 2) return oneDigit.format(seconds / 3600) + " h";
  return oneDigit.format(seconds / 86400) + " days";
}

export const statusName = {
  success: "Migrated", partial: "Partly migrated", failed: "Failed", rolled_back: "Undone",
};
export const liveName = {
  queued: "Queued", waiting: "Waiting for a lock", running: "Running", committing: "Committing",
};
