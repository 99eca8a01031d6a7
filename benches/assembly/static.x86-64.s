# 25 instructions are executed by one call (static; hardware counter).
# rustc 1.95.0, written by benches/assembly/update.sh.

<kymo_call_static>:
	mov    ...(%rip),%rax
	movzbl (%rax),%eax
	cmp    $0x2,%al
	jbe    <kymo_call_static+0x1a>
	lea    ...(%rip),%rdi
	jmp    <kymo::export::shared0>
	ret

<kymo::export::shared0>:
	mov    $0xffffffffffffff18,%rax
	mov    %fs:(%rax),%rcx
	movabs $0x100000000000000,%rsi
	xadd   %rsi,(%rcx)
	lea    0x10(%rsi),%r8
	mov    0x28(%rcx),%rax
	cmp    %r8,%rax
	jae    <kymo::export::shared0+0x2e>
	mov    %rsi,(%rcx)
	jmp    <kymo::export::second0>
	rdtsc
	mov    %eax,0x8(%rsi)
	mov    %edx,0xc(%rsi)
	mov    %rdi,(%rsi)
	movw   $0x10,0x6(%rsi)
	mov    0x8(%rcx),%rax
	mov    0x10(%rcx),%rdx
	add    %r8,%rdx
	mov    %rdx,(%rax)
	mov    %r8,(%rcx)
	ret
