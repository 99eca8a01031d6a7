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
	mov    $0xffffffffffffff20,%rax
	mov    %fs:(%rax),%rcx
	mov    (%rcx),%r8
	lea    0x10(%r8),%rsi
	mov    0x28(%rcx),%rax
	cmp    %rsi,%rax
	jb     <kymo::export::second0>
	movq   $0xffffffffffff0008,(%rcx)
	rdtsc
	mov    %eax,0x8(%r8)
	mov    %edx,0xc(%r8)
	mov    %rdi,(%r8)
	movw   $0x10,0x6(%r8)
	mov    0x8(%rcx),%rax
	mov    0x10(%rcx),%rdx
	add    %rsi,%rdx
	mov    %rdx,(%rax)
	mov    %rsi,(%rcx)
	ret
