# 5 instructions are executed by one call (disabled; hardware counter).
# rustc 1.95.0, written by benches/assembly/update.sh.

<kymo_call_disabled>:
	mov    ...(%rip),%rax
	movzbl (%rax),%eax
	cmp    $0x4,%al
	jbe    <kymo_call_disabled+0x1a>
	lea    ...(%rip),%rcx
	jmp    <kymo::call::log3::fast>
	ret
