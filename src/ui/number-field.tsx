/** A number with its name above it, as typed: what it must be is said when it is used. */
export interface NumberFieldProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (text: string) => void;
  readonly min: number;
  readonly max?: number;
  readonly step?: number | 'any';
  readonly disabled?: boolean;
}

export function NumberField({ label, value, onChange, min, max, step = 1, disabled }: NumberFieldProps) {
  return (
    <label className="field">
      <span>{label}</span>
      <input
        type="number"
        inputMode={step === 1 ? 'numeric' : 'decimal'}
        min={min}
        max={max}
        step={step}
        disabled={disabled}
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
    </label>
  );
}
